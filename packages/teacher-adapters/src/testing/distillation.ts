import { prepareBackend } from '@fx/backend'
import { FxError, seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { TeacherPair } from '../contract/types.js'
import { downscale } from '../image/downscale.js'

/** The network sees pictures at this side... */
const SIDE = 16
/** ...in neighbourhoods of 5 x 5 pixels. */
const REACH = 2
const WIDTH = 24
const STEPS = 200
/** The held-out loss is looked at every so many steps. */
const EVERY = 25
/** Pixels of one step. */
const BATCH = 384
const RATE = 0.01

export interface LearningResult {
  /** Mean squared errors on the held-out pairs, of values in [-1, 1]. */
  loss: {
    /** Of the input itself. */
    identity: number
    /** Of the mean target of the pairs that were learned from. */
    mean: number
    /** The lowest that the network reached. */
    network: number
  }
  /** What the network's loss has to reach: the lesser of the two others, less the margin. */
  bar: number
  steps: number
}

interface Rows {
  /** Pixels of a picture. */
  pixels: number
  /** `[pixels, features]`: the neighbourhood's colours, the place, the parameters. */
  features: tf.Tensor2D
  /** `[pixels, 3]` */
  input: tf.Tensor2D
  /** `[pixels, 3]` */
  target: tf.Tensor2D
}

/** Pairs as one row a pixel. The caller owns the tensors. */
const rowsOf = (pairs: readonly TeacherPair[]): Rows => {
  const side = Math.min(SIDE, pairs[0]!.input.width)
  const features: number[] = []
  const [input, target]: number[][] = [[], []]
  const inside = (at: number) => Math.min(side - 1, Math.max(0, at))
  for (const pair of pairs) {
    const [before, after] = [downscale(pair.input, side).data, downscale(pair.target, side).data]
    const values = Object.keys(pair.parameters)
      .sort()
      .map(name => pair.parameters[name]!)
    const push = (to: number[], data: Uint8Array, pixel: number) => {
      for (let i = 3 * pixel; i < 3 * pixel + 3; i++) to.push(data[i]! / 127.5 - 1)
    }
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        for (let dy = -REACH; dy <= REACH; dy++) {
          for (let dx = -REACH; dx <= REACH; dx++) push(features, before, inside(y + dy) * side + inside(x + dx))
        }
        features.push((2 * x) / side - 1, (2 * y) / side - 1, ...values)
        push(input!, before, y * side + x)
        push(target!, after, y * side + x)
      }
    }
  }
  const pixels = side * side
  const count = pairs.length * pixels
  return {
    pixels,
    features: tf.tensor2d(features, [count, features.length / count]),
    input: tf.tensor2d(input!, [count, 3]),
    target: tf.tensor2d(target!, [count, 3]),
  }
}

const meanSquare = (a: tf.Tensor, b: tf.Tensor): tf.Scalar => tf.mean(tf.squaredDifference(a, b))

const variableOf = (values: Float32Array, shape: number[]): tf.Variable => {
  const initial = tf.tensor(values, shape)
  const variable = tf.variable(initial)
  initial.dispose()
  return variable
}

/**
 * A 5 x 5 convolution and two of 1 x 1 that give the difference from the input, at first none. Written as products over
 * pixels, which every backend computes and differentiates fast, without kernels of its own.
 */
const createNetwork = (
  features: number,
): { predict(rows: Pick<Rows, 'features' | 'input'>): tf.Tensor; variables: tf.Variable[] } => {
  const weights = [
    [features, WIDTH],
    [WIDTH, WIDTH],
    [WIDTH, 3],
  ].map(([from, to], layer) => {
    const random = seededRandom('conformance', 'weights', layer)
    const scale = layer === 2 ? 0 : Math.sqrt(2 / from!)
    const values = Float32Array.from({ length: from! * to! }, () => scale * random.normal())
    return { kernel: variableOf(values, [from!, to!]), bias: variableOf(new Float32Array(to!), [to!]) }
  })
  const change = (x: tf.Tensor2D): tf.Tensor =>
    weights.reduce<tf.Tensor>((y, { kernel, bias }, layer) => {
      const sum = tf.add(tf.matMul(y, kernel), bias)
      return layer === 2 ? sum : tf.relu(sum)
    }, x)
  return {
    predict: ({ features, input }) => tf.add(input, change(features)),
    variables: weights.flatMap(({ kernel, bias }) => [kernel, bias]),
  }
}

/** Doing nothing, and showing everyone the same picture: what a network that learned must beat. */
const knownLosses = (learned: Rows, held: Rows): { identity: number; mean: number } =>
  tf.tidy(() => {
    const pictures = (x: tf.Tensor2D): tf.Tensor3D => tf.reshape(x, [-1, learned.pixels, 3])
    const mean = tf.mean(pictures(learned.target), 0, true)
    return {
      identity: meanSquare(held.input, held.target).dataSync()[0]!,
      mean: meanSquare(mean, pictures(held.target)).dataSync()[0]!,
    }
  })

const loadGradients = () =>
  import('@tensorflow/tfjs-layers').catch(cause => {
    throw new FxError(
      'missing-package',
      'The distillation needs the gradients that @tensorflow/tfjs-layers registers: npm install -D @tensorflow/tfjs-layers',
      { cause },
    )
  })

/**
 * Teaches pairs to a small fixed network by Adam, always in the same way, and stops once its loss on held-out pairs is
 * lowered by the margin or the steps are spent. Takes a second or so, on cpu some more. Computes on the active tfjs
 * backend; where there is none, prepares one. Leaves no tensors behind.
 *
 * @throws FxError `backend-unavailable`, `missing-package`.
 */
export const distil = async (
  learned: readonly TeacherPair[],
  held: readonly TeacherPair[],
  margin: number,
): Promise<LearningResult> => {
  if (!tf.getBackend()) await prepareBackend({ order: ['wasm', 'cpu'], threads: 1 })
  await loadGradients()
  const [rows, judged] = [rowsOf(learned), rowsOf(held)]
  const { predict, variables } = createNetwork(rows.features.shape[1])
  const optimizer = tf.train.adam(RATE)
  const loss = { ...knownLosses(rows, judged), network: Number.POSITIVE_INFINITY }
  const bar = (1 - margin) * Math.min(loss.identity, loss.mean)
  let steps = 0
  try {
    for (; steps < STEPS && loss.network > bar; steps++) {
      tf.tidy(() => {
        const random = seededRandom('conformance', 'batch', steps)
        const drawn = Int32Array.from({ length: BATCH }, () => random.integer(rows.input.shape[0]))
        const indices = tf.tensor1d(drawn, 'int32')
        const of = (x: tf.Tensor2D) => tf.gather(x, indices)
        const batch = { features: of(rows.features), input: of(rows.input) }
        const target = of(rows.target)
        optimizer.minimize(() => meanSquare(predict(batch), target), false, variables)
      })
      if ((steps + 1) % EVERY > 0) continue
      const value = tf.tidy(() => meanSquare(predict(judged), judged.target))
      loss.network = Math.min(loss.network, (await value.data())[0]!)
      value.dispose()
    }
  } finally {
    optimizer.dispose()
    for (const { features, input, target } of [rows, judged]) tf.dispose([features, input, target])
    tf.dispose(variables)
  }
  return { loss, bar, steps }
}
