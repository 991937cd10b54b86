import {
  adam,
  exponentialMovingAverage,
  type MovingAverageState,
  type Optimizer,
  type OptimizerState,
  type SavedOptimizerState,
} from '@fx/backend/training'
import { FxError, seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { RgbImage } from '../../contract/types.js'
import type { DiscriminatorConfig, GeneratorConfig } from '../config.js'
import { type Discriminator, randomDiscriminatorWeights, stylegan2Discriminator } from '../discriminator.js'
import { type Generator, randomGeneratorWeights, stylegan2Generator } from '../generator.js'
import type { NamedWeight, NamedWeights } from '../weights.js'
import { discriminatorLoss, generatorLoss } from './losses.js'
import { type Penalty, type PenaltyForm, pathLengthPenalty, r1Penalty } from './regularisers.js'

export interface TrainerOptions {
  generator: GeneratorConfig
  discriminator: DiscriminatorConfig
  seed: number
  batchSize: number
  /** Of both networks, before the correction for lazy regularisation. */
  learningRate: number
  /** R1 on every `every`th step, weighted as if on each; `gamma` 0 for none. */
  r1: { gamma: number; every: number; form: PenaltyForm }
  /** Path length on every `every`th step on `batchSize / shrink` images; `weight` 0 for none. */
  pathLength: { weight: number; every: number; shrink: number; form: PenaltyForm }
  /** Probability of style mixing. */
  mixing: number
  /** Images after which the averaged generator has forgotten half. */
  emaHalfLife: number
}

/** Figures of one step. */
export interface TrainerFigures {
  generatorLoss: number
  discriminatorLoss: number
  /** Mean logits of real and generated images: above zero the discriminator takes them for real. */
  realScore: number
  fakeScore: number
  r1?: number
  pathLength?: number
}

/** What a trainer needs to go on: plain JSON and arrays. */
export interface SavedTrainer {
  state: { step: number; meanPathLength: number; optimizerSteps: Record<string, number> }
  tensors: Map<string, NamedWeight>
}

/** A generator and a discriminator in training. It owns all its tensors. */
export interface Trainer {
  readonly generator: Generator
  readonly discriminator: Discriminator
  /** Steps done. */
  readonly step: number
  /**
   * One step on `batchSize` real images: generator, path length, discriminator, R1, average.
   *
   * @throws FxError `not-finite` when a loss is; `shape-mismatch` for images of another size.
   */
  train(real: readonly RgbImage[]): Promise<TrainerFigures>
  /** Runs `work` with the averaged weights in the generator. */
  withAverage<T>(work: (generator: Generator) => Promise<T>): Promise<T>
  save(): Promise<SavedTrainer>
  dispose(): void
}

/** `x / 127.5 - 1` of 8-bit images: `[N, H, W, 3]` in [-1, 1]. */
export const toTensor = (images: readonly RgbImage[], resolution: number): tf.Tensor4D => {
  const size = resolution * resolution * 3
  const values = new Float32Array(images.length * size)
  images.forEach(({ width, height, data }, image) => {
    if (width !== resolution || height !== resolution) {
      throw new FxError(
        'shape-mismatch',
        `A training image is ${width} x ${height}; the network makes ${resolution} x ${resolution}`,
      )
    }
    for (let i = 0; i < size; i++) values[image * size + i] = data[i]! / 127.5 - 1
  })
  return tf.tensor4d(values, [images.length, resolution, resolution, 3])
}

const trainableOf = (parameters: ReadonlyMap<string, tf.Tensor>): tf.Variable[] =>
  [...parameters.values()].filter(value => (value as tf.Variable).trainable) as tf.Variable[]

const withPrefix = (weights: NamedWeights, prefix: string): [string, NamedWeight][] =>
  [...weights].map(([name, weight]) => [`${prefix}${name}`, weight])

const withoutPrefix = (tensors: NamedWeights, prefix: string): Map<string, NamedWeight> =>
  new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, weight]) => [name.slice(prefix.length), weight]),
  )

/** Adam with beta1 0 and the correction for penalties that come every `every`th step only (StyleGAN2, section 3.1). */
const lazyAdam = (every: number | false): { optimizer: Optimizer; share: number } => {
  const share = every === false ? 1 : every / (every + 1)
  return { optimizer: adam({ beta1: 0, beta2: 0.99 ** share, epsilon: 1e-8 }), share }
}

/**
 * Training of a StyleGAN2, step by step. Everything random is drawn from streams named by seed and step, so that a trainer
 * made from `save()` goes on as if it had never stopped.
 *
 * Source: Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020, section 3 and appendix B.
 */
export const createTrainer = (options: TrainerOptions, saved?: SavedTrainer): Trainer => {
  const { seed, batchSize, r1, pathLength, mixing } = options
  const { resolution } = options.generator
  const generator = stylegan2Generator({
    config: options.generator,
    weights: saved ? withoutPrefix(saved.tensors, 'G.') : randomGeneratorWeights(options.generator, seed),
    trainable: true,
  })
  const discriminator = stylegan2Discriminator({
    config: options.discriminator,
    weights: saved ? withoutPrefix(saved.tensors, 'D.') : randomDiscriminatorWeights(options.discriminator, seed),
    trainable: true,
  })
  const variables = { G: trainableOf(generator.parameters), D: trainableOf(discriminator.parameters) }
  const optimizers = {
    G: lazyAdam(pathLength.weight > 0 && pathLength.every),
    D: lazyAdam(r1.gamma > 0 && r1.every),
  }
  const average = exponentialMovingAverage(0.5 ** (batchSize / options.emaHalfLife))

  const savedState = (key: string): SavedOptimizerState | undefined =>
    saved && {
      step: saved.state.optimizerSteps[key] ?? 0,
      slots: Object.fromEntries([...withoutPrefix(saved.tensors, `${key}/`)].map(([name, { data }]) => [name, data])),
    }
  const states: { G: OptimizerState; D: OptimizerState; average: MovingAverageState } = {
    G: optimizers.G.optimizer.init(variables.G, savedState('G')),
    D: optimizers.D.optimizer.init(variables.D, savedState('D')),
    average: average.init(variables.G, savedState('average')),
  }
  let step = saved?.state.step ?? 0
  let meanPathLength = saved?.state.meanPathLength ?? 0

  const normals = (count: number, length: number, ...path: (string | number)[]): tf.Tensor2D => {
    const random = seededRandom(seed, ...path)
    return tf.tensor2d(
      Float32Array.from({ length: count * length }, () => random.normal()),
      [count, length],
    )
  }
  const latents = (phase: string, count: number): tf.Tensor2D => normals(count, generator.config.zDim, 'z', phase, step)

  /** W+ of new latents, some of them of two faces: coarse layers of one, fine layers of the other. */
  const mixedW = (phase: string, count: number): tf.Tensor3D => {
    const first = generator.broadcast(generator.mapping(latents(phase, count)))
    const random = seededRandom(seed, 'mixing', phase, step)
    if (random.uniform() >= mixing) return first
    const crossover = 1 + random.integer(generator.numWs - 1)
    return generator.mix(first, generator.broadcast(generator.mapping(latents(`${phase} mixed`, count))), crossover)
  }
  const synthesised = (phase: string): tf.Tensor4D =>
    generator.synthesis(mixedW(phase, batchSize), { noise: { seed: `${seed} ${phase} ${step}` } })

  const finite = (value: number, what: string): number => {
    if (Number.isFinite(value)) return value
    throw new FxError(
      'not-finite',
      `The ${what} became ${value} at step ${step + 1}; the last snapshot is intact, try a lower learning rate`,
      { details: { what, value: String(value), step } },
    )
  }

  /** Updates one network by a penalty and frees it. */
  const apply = async (network: 'G' | 'D', { value, grads }: Penalty, what: string): Promise<number> => {
    const { optimizer, share } = optimizers[network]
    const given = variables[network].map(variable => grads[variable.name] ?? tf.zerosLike(variable))
    try {
      const figure = finite((await value.data())[0]!, what)
      const norm = optimizer.update(states[network], given, { learningRate: options.learningRate * share })
      if (tf.getBackend() !== 'webgpu') finite(norm, `gradient of the ${what}`)
      return figure
    } finally {
      tf.dispose([value, given])
    }
  }

  const generatorStep = async (): Promise<number> => {
    const computed = tf.tidy(() =>
      tf.variableGrads(() => generatorLoss(discriminator.logits(synthesised('G'))), variables.G),
    )
    const w = tf.tidy(() => generator.mapping(latents('G', batchSize)))
    generator.updateAverage(w)
    w.dispose()
    return apply('G', computed, 'generator loss')
  }

  const pathLengthStep = async (): Promise<number> => {
    const count = Math.max(1, Math.floor(batchSize / pathLength.shrink))
    const noise = tf.reshape(normals(count, resolution * resolution * 3, 'path length', step), [
      count,
      resolution,
      resolution,
      3,
    ]) as tf.Tensor4D
    const meanLength = tf.scalar(meanPathLength)
    const { meanLength: moved, ...penalty } = pathLengthPenalty(
      generator,
      variables.G,
      () => mixedW('path length', count),
      {
        weight: pathLength.weight * pathLength.every,
        form: pathLength.form,
        noise,
        meanLength,
        synthesisNoise: { noise: { seed: `${seed} path length ${step}` } },
      },
    )
    meanPathLength = (await moved.data())[0]!
    tf.dispose([noise, meanLength, moved])
    return (await apply('G', penalty, 'path length penalty')) / pathLength.every
  }

  const discriminatorStep = async (real: tf.Tensor4D): Promise<[loss: number, real: number, fake: number]> => {
    let scores!: tf.Tensor1D
    const computed = tf.tidy(() => {
      const fake = synthesised('D')
      return tf.variableGrads(() => {
        const realLogits = discriminator.logits(real)
        const fakeLogits = discriminator.logits(fake)
        scores = tf.keep(tf.stack([tf.mean(realLogits), tf.mean(fakeLogits)]) as tf.Tensor1D)
        return discriminatorLoss(realLogits, fakeLogits)
      }, variables.D)
    })
    const [realScore, fakeScore] = await scores.data()
    scores.dispose()
    return [await apply('D', computed, 'discriminator loss'), realScore!, fakeScore!]
  }

  const r1Step = async (real: tf.Tensor4D): Promise<number> => {
    const penalty = r1Penalty(discriminator, variables.D, real, { gamma: r1.gamma * r1.every, form: r1.form })
    return (await apply('D', penalty, 'R1 penalty')) / r1.every
  }

  return {
    generator,
    discriminator,
    get step() {
      return step
    },
    async train(images) {
      const real = toTensor(images, resolution)
      try {
        const figures: TrainerFigures = {
          generatorLoss: await generatorStep(),
          discriminatorLoss: 0,
          realScore: 0,
          fakeScore: 0,
        }
        if (pathLength.weight > 0 && step % pathLength.every === 0) figures.pathLength = await pathLengthStep()
        const [loss, realScore, fakeScore] = await discriminatorStep(real)
        Object.assign(figures, { discriminatorLoss: loss, realScore, fakeScore })
        if (r1.gamma > 0 && step % r1.every === 0) figures.r1 = await r1Step(real)
        average.update(states.average)
        step++
        return figures
      } finally {
        real.dispose()
      }
    },
    async withAverage(work) {
      states.average.swap()
      try {
        return await work(generator)
      } finally {
        states.average.swap()
      }
    },
    async save() {
      const tensors = new Map([
        ...withPrefix(await generator.weights(), 'G.'),
        ...withPrefix(await discriminator.weights(), 'D.'),
      ])
      const optimizerSteps: Record<string, number> = {}
      for (const [key, state] of Object.entries(states)) {
        const { step: steps, slots } = await state.save()
        optimizerSteps[key] = steps
        for (const [name, data] of Object.entries(slots)) tensors.set(`${key}/${name}`, { shape: [data.length], data })
      }
      return { state: { step, meanPathLength, optimizerSteps }, tensors }
    },
    dispose() {
      for (const owner of [generator, discriminator, ...Object.values(states)]) owner.dispose()
    },
  }
}
