import { adam, exponentialMovingAverage, type SavedOptimizerState } from '@fx/backend/training'
import { FxError, seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { toTensor } from '../../image/tensor.js'
import { type NamedWeight, selectWeights } from '../../network/weights.js'
import { imagenUnet, randomUnetWeights } from '../unet/unet.js'
import { noisyBatches } from './batch.js'
import { type CaptionEmbedder, captionsOf } from './captions.js'
import { diffusionLoss } from './loss.js'
import type { ImagenTrainer, ImagenTrainerOptions, SavedImagenTrainer } from './trainer-types.js'

/** The learning rate of a step that begins after so many images. */
const learningRateAt = (
  images: number,
  batchSize: number,
  { peak, warmUp, until }: ImagenTrainerOptions['learningRate'],
): number => {
  // The first step's rate is not zero, and neither is the last one's.
  const rise = warmUp > 0 ? Math.min(1, (images + batchSize) / warmUp) : 1
  if (until === undefined) return peak * rise
  const part = Math.min(1, Math.max(0, (images - warmUp) / Math.max(1, until - warmUp)))
  return (peak * rise * (1 + Math.cos(Math.PI * part))) / 2
}

/**
 * Training of a stage's UNet, step by step. Everything random is drawn from streams named by seed and step, so that a
 * trainer made from `save()` goes on as if it had never stopped.
 *
 * Sources: Saharia et al., "Photorealistic text-to-image diffusion models with deep language understanding", NeurIPS 2022,
 * sections 2 and 4; Hang et al., "Efficient diffusion training via min-SNR weighting strategy", ICCV 2023.
 *
 * @throws FxError `resume-mismatch`, `not-found` or `shape-mismatch` for what was saved of another network.
 */
export const createImagenTrainer = (
  options: ImagenTrainerOptions,
  text: CaptionEmbedder,
  saved?: SavedImagenTrainer,
): ImagenTrainer => {
  const { seed, batchSize, stage, captionDropout, clipNorm } = options
  const owned: { dispose(): void }[] = []
  const own = <T extends { dispose(): void }>(made: T): T => {
    owned.push(made)
    return made
  }
  const dispose = (): void => {
    for (const made of owned.splice(0)) made.dispose()
  }
  const optimizer = adam({ beta1: 0.9, beta2: 0.99, epsilon: 1e-8 })
  const average = exponentialMovingAverage(0.5 ** (batchSize / options.emaHalfLife))

  const savedState = (key: string): SavedOptimizerState | undefined =>
    saved && {
      step: saved.state.optimizerSteps[key] ?? 0,
      slots: Object.fromEntries([...selectWeights(saved.tensors, `${key}/`)].map(([name, { data }]) => [name, data])),
    }
  const makeAll = () => {
    const weights = saved ? selectWeights(saved.tensors, 'unet.') : randomUnetWeights(options.unet, seed)
    const unet = own(imagenUnet({ config: options.unet, weights, trainable: true }))
    const states = {
      adam: own(optimizer.init(unet.variables, savedState('adam'))),
      average: own(average.init(unet.variables, savedState('average'))),
    }
    return { unet, states }
  }
  let made: ReturnType<typeof makeAll>
  try {
    made = makeAll()
  } catch (error) {
    dispose()
    throw error
  }
  const { unet, states } = made
  const noisy = noisyBatches(options)
  let step = saved?.state.step ?? 0

  const finite = (value: number, what: string): number => {
    if (Number.isFinite(value)) return value
    throw new FxError(
      'not-finite',
      `The ${what} became ${value} at step ${step + 1}; the last snapshot is intact, try a lower learning rate`,
      { details: { what, value: String(value), step } },
    )
  }

  const withDropout = (captions: readonly string[]): string[] => {
    const random = seededRandom(seed, 'caption dropout', step)
    return captions.map(caption => (random.uniform() < captionDropout ? '' : caption))
  }

  return {
    unet,
    get step() {
      return step
    },
    async train(images) {
      let last = performance.now()
      const lap = (): number => {
        const before = last
        last = performance.now()
        return (last - before) / 1000
      }
      const embeddings = await text.embed(withDropout(captionsOf(images)))
      const textSeconds = lap()
      let computed: ReturnType<typeof tf.variableGrads>
      try {
        computed = tf.tidy(() => {
          const batch = noisy(toTensor(images, stage.resolution), step)
          return tf.variableGrads(() => diffusionLoss(unet, batch, embeddings), [...unet.variables])
        })
      } finally {
        embeddings.dispose()
      }
      const gradients = unet.variables.map(variable => computed.grads[variable.name] ?? tf.zerosLike(variable))
      try {
        const loss = finite((await computed.value.data())[0]!, 'loss')
        const gradientSeconds = lap()
        const learningRate = learningRateAt(step * batchSize, batchSize, options.learningRate)
        const clip = clipNorm === false ? {} : { clipNorm }
        const gradientNorm = optimizer.update(states.adam, gradients, { learningRate, ...clip })
        // WebGPU cannot be asked without waiting.
        const asked = tf.getBackend() !== 'webgpu'
        if (asked) finite(gradientNorm, 'gradient')
        average.update(states.average)
        step++
        return {
          loss,
          ...(asked && { gradientNorm }),
          learningRate,
          textSeconds,
          gradientSeconds,
          updateSeconds: lap(),
        }
      } finally {
        tf.dispose([computed.value, gradients])
      }
    },
    async withAverage(work) {
      states.average.swap()
      try {
        return await work(unet)
      } finally {
        states.average.swap()
      }
    },
    async save() {
      const tensors = new Map<string, NamedWeight>()
      for (const [name, weight] of await unet.weights()) tensors.set(`unet.${name}`, weight)
      const optimizerSteps: Record<string, number> = {}
      for (const [key, state] of Object.entries(states)) {
        const { step: steps, slots } = await state.save()
        optimizerSteps[key] = steps
        for (const [name, data] of Object.entries(slots)) tensors.set(`${key}/${name}`, { shape: [data.length], data })
      }
      return { state: { step, optimizerSteps }, tensors }
    },
    dispose,
  }
}
