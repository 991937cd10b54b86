import { adam } from '@fx/backend/training'
import { FxError, seededRandom } from '@fx/core'
import type { RgbImage } from '@fx/teacher-adapters'
import { loadFloat32 } from '@fx/weights'
import { openCheckpoint, writeSafetensors } from '@fx/weights/node'
import * as tf from '@tensorflow/tfjs-core'
import * as tfl from '@tensorflow/tfjs-layers'
import { ATTRIBUTES, type Attribute, labelledPortraits } from './attributes.js'

const SIZE = 64

/** A small classifier that reads the attributes off a 64 px portrait, generated or drawn. */
export interface Probe {
  /** The logit of every attribute, above zero when the portrait has it; one record an image. */
  read(images: readonly RgbImage[]): Promise<Record<Attribute, number>[]>
  /** Logits `[N, attributes]` of images `[N, 64, 64, 3]` in [-1, 1]; can be differentiated. */
  logits(images: tf.Tensor4D): tf.Tensor2D
  dispose(): void
}

const build = (seed: number): tfl.Sequential => {
  const initial = (offset: number) => tfl.initializers.heNormal({ seed: seed * 100 + offset })
  const conv = (filters: number, kernelSize: number, offset: number, inputShape?: number[]) =>
    tfl.layers.conv2d({
      filters,
      kernelSize,
      strides: 2,
      padding: 'same',
      activation: 'relu',
      kernelInitializer: initial(offset),
      ...(inputShape && { inputShape }),
    })
  return tfl.sequential({
    layers: [
      conv(12, 5, 1, [SIZE, SIZE, 3]),
      conv(24, 3, 2),
      conv(32, 3, 3),
      tfl.layers.flatten(),
      tfl.layers.dense({ units: 48, activation: 'relu', kernelInitializer: initial(4) }),
      tfl.layers.dense({ units: ATTRIBUTES.length, kernelInitializer: initial(5) }),
    ],
  })
}

const toTensor = (images: readonly RgbImage[]): tf.Tensor4D => {
  const values = new Float32Array(images.length * SIZE * SIZE * 3)
  images.forEach(({ width, height, data }, image) => {
    if (width !== SIZE || height !== SIZE) {
      throw new FxError('shape-mismatch', `The probe reads images of ${SIZE} x ${SIZE}, not ${width} x ${height}`)
    }
    for (let i = 0; i < data.length; i++) values[image * data.length + i] = data[i]! / 127.5 - 1
  })
  return tf.tensor4d(values, [images.length, SIZE, SIZE, 3])
}

const probeOf = (model: tfl.Sequential): Probe => ({
  async read(images) {
    const result: Record<Attribute, number>[] = []
    for (let start = 0; start < images.length; start += 64) {
      const logits = tf.tidy(() => model.predict(toTensor(images.slice(start, start + 64))) as tf.Tensor2D)
      const values = await logits.data()
      logits.dispose()
      for (let at = 0; at < values.length; at += ATTRIBUTES.length) {
        result.push(
          Object.fromEntries(ATTRIBUTES.map((name, i) => [name, values[at + i]!])) as Record<Attribute, number>,
        )
      }
    }
    return result
  },
  logits: images => model.apply(images) as tf.Tensor2D,
  dispose: () => model.dispose(),
})

/** Soft and slightly noisy copies: what a probe must read is not always as sharp as a drawing. */
const roughened = (images: tf.Tensor4D, seed: number): tf.Tensor4D => {
  const random = seededRandom(seed, 'roughen')
  const sigma = 0.15 * random.uniform()
  const noisy = tf.add<tf.Tensor4D>(images, tf.randomNormal(images.shape, 0, sigma, 'float32', seed))
  return random.uniform() < 0.5 ? noisy : tf.avgPool(noisy, 3, 1, 'same')
}

/**
 * Trains a probe on labelled portraits: binary cross-entropy with every attribute, Adam.
 *
 * @returns the probe, and its accuracy on `heldOut` portraits that it never saw, by attribute.
 */
export const trainProbe = async ({
  seed,
  portraits,
  heldOut,
  epochs,
  batchSize = 32,
  onEpoch,
}: {
  seed: number
  portraits: number
  heldOut: number
  epochs: number
  batchSize?: number
  onEpoch?: (epoch: number, loss: number) => void
}): Promise<{ probe: Probe; accuracy: Record<Attribute, number>; save(path: string): Promise<void> }> => {
  const model = build(seed)
  const variables = model.trainableWeights.map(weight => weight.read() as tf.Variable)
  const images: RgbImage[] = []
  const labels: number[][] = []
  // Far from the seeds that anything else is trained on.
  const first = 1_000_000 * seed
  for await (const portrait of labelledPortraits(range(first, portraits + heldOut), SIZE)) {
    images.push(portrait.image)
    labels.push(ATTRIBUTES.map(name => portrait.labels[name]))
  }
  const optimizer = adam()
  const state = optimizer.init(variables)
  const steps = Math.floor(portraits / batchSize)
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = seededRandom(seed, 'order', epoch).shuffled([...range(0, portraits)])
    let sum = 0
    for (let step = 0; step < steps; step++) {
      const chosen = order.slice(step * batchSize, (step + 1) * batchSize)
      const { value, grads } = tf.tidy(() => {
        const x = roughened(toTensor(chosen.map(index => images[index]!)), seed + epoch * steps + step)
        const y = tf.tensor2d(chosen.map(index => labels[index]!))
        return tf.variableGrads(() => {
          const logits = model.apply(x, { training: true }) as tf.Tensor2D
          return tf.mean<tf.Scalar>(tf.sub(tf.softplus(logits), tf.mul(logits, y)))
        }, variables)
      })
      const progress = (epoch + step / steps) / epochs
      optimizer.update(
        state,
        variables.map(variable => grads[variable.name]!),
        { learningRate: 2e-3 * (0.5 + 0.5 * Math.cos(Math.PI * progress)) },
      )
      sum += (await value.data())[0]!
      tf.dispose([value, grads as never])
    }
    onEpoch?.(epoch, sum / steps)
  }
  state.dispose()
  const probe = probeOf(model)
  const answers = await probe.read(images.slice(portraits))
  const right = (name: Attribute, i: number): number => {
    const judged = answers.flatMap((answer, at) => {
      const label = labels[portraits + at]![i]!
      // A colour half-way is neither.
      return Math.abs(label - 0.5) < 0.2 ? [] : [answer[name] > 0 === label > 0.5]
    })
    return judged.filter(Boolean).length / judged.length
  }
  return {
    probe,
    accuracy: Object.fromEntries(ATTRIBUTES.map((name, i) => [name, right(name, i)])) as Record<Attribute, number>,
    save: async path => {
      const arrays = await Promise.all(
        model.weights.map(async (weight, i) => {
          const data = (await weight.read().data()) as Float32Array
          return [`${i}`, { shape: weight.shape as number[], data, dtype: 'float16' as const }] as const
        }),
      )
      await writeSafetensors(path, arrays, { attributes: ATTRIBUTES.join(' '), seed: `${seed}` })
    },
  }
}

/** Opens a probe that `save` wrote. */
export const loadProbe = async (path: string): Promise<Probe> => {
  const model = build(0)
  const checkpoint = await openCheckpoint(path)
  try {
    const arrays = await Promise.all(
      model.weights.map(async (weight, i) =>
        tf.tensor(await loadFloat32(checkpoint.tensors.get(`${i}`)!), weight.shape as number[]),
      ),
    )
    model.setWeights(arrays)
    tf.dispose(arrays)
  } finally {
    await checkpoint.close()
  }
  return probeOf(model)
}

export function* range(from: number, count: number): Generator<number> {
  for (let i = 0; i < count; i++) yield from + i
}
