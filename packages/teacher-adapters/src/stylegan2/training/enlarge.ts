import { adam } from '@fx/backend/training'
import { FxError, seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { NamedWeight, NamedWeights } from '../../network/weights.js'
import type { GeneratorConfig } from '../config.js'
import { stylegan2Generator } from '../generator.js'

export interface EnlargeOptions {
  /** Named in the streams of random numbers. */
  seed: number
  steps: number
  batchSize: number
  learningRate: number
  signal?: AbortSignal | undefined
  /** The mean absolute error of a step, of images in [-1, 1]. */
  onStep?: (step: number, error: number) => void
}

/** A label of one class each, drawn by seed, for a network with labels. */
const labelsOf = (seeds: readonly string[], cDim: number): tf.Tensor2D | undefined =>
  cDim === 0
    ? undefined
    : tf.tensor2d(
        seeds.map(seed => {
          const chosen = seededRandom(seed, 'label').integer(cDim)
          return Array.from({ length: cDim }, (_, i) => (i === chosen ? 1 : 0))
        }),
        [seeds.length, cDim],
      )

/**
 * Teaches the upper blocks of a generator to draw what a smaller one draws, enlarged: each pixel becomes a square. So a
 * network that is grown starts with sharp images, where the skip connection alone would blur them; progressive growing
 * fades from the same enlarged images (Karras et al., "Progressive growing of GANs", ICLR 2018, section 2).
 *
 * Minimises the mean absolute error by Adam; the mapping and the blocks of the smaller generator stay as they are.
 *
 * @param weights of the large generator, with those of the small one in its lower blocks: see `startFrom`.
 * @returns the large generator's weights.
 * @throws FxError `shape-mismatch` when the small generator is not smaller or differs in z or w, `aborted`.
 */
export const enlarge = async (
  large: { config: GeneratorConfig; weights: NamedWeights },
  small: { config: GeneratorConfig; weights: NamedWeights },
  { seed, steps, batchSize, learningRate, signal, onStep }: EnlargeOptions,
): Promise<Map<string, NamedWeight>> => {
  const owned: { dispose(): void }[] = []
  const own = <T extends { dispose(): void }>(made: T): T => {
    owned.push(made)
    return made
  }
  try {
    const student = own(stylegan2Generator({ ...large, trainable: true }))
    const teacher = own(stylegan2Generator(small))
    const { resolution, wDim } = student.config
    const from = teacher.config.resolution
    if (from >= resolution || teacher.config.wDim !== wDim) {
      throw new FxError(
        'shape-mismatch',
        `A generator of ${from} px and ${teacher.config.wDim} values of w cannot be enlarged to one of ${resolution} px and ${wDim}`,
      )
    }
    const variables = [...student.parameters].flatMap(([name, value]) =>
      Number(/^synthesis\.b(\d+)\./.exec(name)?.[1] ?? 0) > from && (value as tf.Variable).trainable
        ? [value as tf.Variable]
        : [],
    )
    const optimizer = adam({ beta2: 0.99 })
    const state = own(optimizer.init(variables))
    for (let step = 0; step < steps; step++) {
      if (signal?.aborted) throw new FxError('aborted', `Stopped while growing the generator`, { cause: signal.reason })
      const seeds = Array.from({ length: batchSize }, (_, i) => `${seed} enlarge ${step} ${i}`)
      const { value, grads } = tf.tidy(() => {
        const w = student.mapping(student.latents(seeds), labelsOf(seeds, student.config.cDim))
        const drawn = teacher.synthesis(w)
        const goal = tf.image.resizeNearestNeighbor(drawn, [resolution, resolution])
        return tf.variableGrads(() => tf.mean<tf.Scalar>(tf.abs(tf.sub(student.synthesis(w), goal))), variables)
      })
      optimizer.update(
        state,
        variables.map(variable => grads[variable.name] ?? tf.zerosLike(variable)),
        { learningRate: learningRate * (0.5 + 0.5 * Math.cos((Math.PI * step) / steps)) },
      )
      onStep?.(step + 1, (await value.data())[0]!)
      tf.dispose([value, grads as never])
      await new Promise(resolve => setTimeout(resolve))
    }
    return await student.weights()
  } finally {
    for (const made of owned) made.dispose()
  }
}
