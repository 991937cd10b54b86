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
import { toTensor } from '../../image/tensor.js'
import { type NamedWeight, type NamedWeights, selectWeights } from '../../network/weights.js'
import { type Discriminator, randomDiscriminatorWeights, stylegan2Discriminator } from '../discriminator.js'
import { randomGeneratorWeights, stylegan2Generator } from '../generator.js'
import { type AdaptiveAugmentation, adaptAugmentation, augmentImages } from './augment.js'
import { toLabels } from './batch.js'
import { type InitialWeights, startFrom } from './initial.js'
import { discriminatorLoss, generatorLoss } from './losses.js'
import { type Penalty, pathLengthPenalty, r1Penalty } from './regularisers.js'
import type { SavedTrainer, Trainer, TrainerFigures, TrainerOptions } from './trainer-types.js'

const trainableOf = (parameters: ReadonlyMap<string, tf.Tensor>, freeze = 0): tf.Variable[] =>
  [...parameters].flatMap(([name, value]) =>
    (value as tf.Variable).trainable && blockOf(name) > freeze ? [value as tf.Variable] : [],
  )

/** The resolution that a generator's parameter belongs to; 1 for the mapping, which comes before all blocks. */
const blockOf = (name: string): number => Number(/^synthesis\.b(\d+)\./.exec(name)?.[1] ?? 1)

const withPrefix = (weights: NamedWeights, prefix: string): [string, NamedWeight][] =>
  [...weights].map(([name, weight]) => [`${prefix}${name}`, weight])

const startOf = (
  network: 'generator' | 'discriminator',
  drawn: Map<string, NamedWeight>,
  initial: InitialWeights | undefined,
): Map<string, NamedWeight> => {
  const given = initial?.[network]
  return given ? startFrom(network, drawn, given) : drawn
}

/** Adam with beta1 0 and the correction for penalties that come every `every`th step only (StyleGAN2, section 3.1). */
const lazyAdam = (every: number | false): { optimizer: Optimizer; share: number } => {
  const share = every === false ? 1 : every / (every + 1)
  return { optimizer: adam({ beta1: 0, beta2: 0.99 ** share, epsilon: 1e-8 }), share }
}

/**
 * Training of a StyleGAN2, step by step. Everything random is drawn from streams named by seed and step, so that a trainer
 * made from `save()` goes on as if it had never stopped.
 *
 * @param initial weights to begin with, for transfer learning or to grow a network; see `startFrom`.
 *
 * Source: Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020, section 3 and appendix B.
 */
export const createTrainer = (options: TrainerOptions, saved?: SavedTrainer, initial?: InitialWeights): Trainer => {
  const { seed, batchSize, r1, pathLength, mixing } = options
  const augment = options.augment ?? false
  const { resolution } = options.generator
  const cDim = options.generator.cDim ?? 0
  const owned: { dispose(): void }[] = []
  const own = <T extends { dispose(): void }>(made: T): T => {
    owned.push(made)
    return made
  }
  const dispose = (): void => {
    for (const made of owned.splice(0)) made.dispose()
  }

  const makeAll = () => {
    const generator = own(
      stylegan2Generator({
        config: options.generator,
        weights: saved
          ? selectWeights(saved.tensors, 'G.')
          : startOf('generator', randomGeneratorWeights(options.generator, seed), initial),
        trainable: true,
      }),
    )
    const discriminator = own(
      stylegan2Discriminator({
        config: options.discriminator,
        weights: saved
          ? selectWeights(saved.tensors, 'D.')
          : startOf('discriminator', randomDiscriminatorWeights(options.discriminator, seed), initial),
        trainable: true,
      }),
    )
    const variables = { G: trainableOf(generator.parameters, options.freeze), D: trainableOf(discriminator.parameters) }
    const optimizers = {
      G: lazyAdam(pathLength.weight > 0 && pathLength.every),
      D: lazyAdam(r1.gamma > 0 && r1.every),
    }
    const average = exponentialMovingAverage(0.5 ** (batchSize / options.emaHalfLife))
    const savedState = (key: string): SavedOptimizerState | undefined =>
      saved && {
        step: saved.state.optimizerSteps[key] ?? 0,
        slots: Object.fromEntries([...selectWeights(saved.tensors, `${key}/`)].map(([name, { data }]) => [name, data])),
      }
    const states: { G: OptimizerState; D: OptimizerState; average: MovingAverageState } = {
      G: own(optimizers.G.optimizer.init(variables.G, savedState('G'))),
      D: own(optimizers.D.optimizer.init(variables.D, savedState('D'))),
      average: own(average.init(variables.G, savedState('average'))),
    }
    return { generator, discriminator, variables, optimizers, average, states }
  }
  let made: ReturnType<typeof makeAll>
  try {
    made = makeAll()
  } catch (error) {
    dispose()
    throw error
  }
  const { generator, discriminator, variables, optimizers, average, states } = made
  let step = saved?.state.step ?? 0
  let meanPathLength = saved?.state.meanPathLength ?? 0
  let adaptive: AdaptiveAugmentation = saved?.state.augmentation ?? { p: 0, signs: 0, steps: 0 }
  const augmentationP = (): number => (!augment ? 0 : augment.p === 'adaptive' ? adaptive.p : augment.p)

  const normals = (count: number, length: number, ...path: (string | number)[]): tf.Tensor2D => {
    const random = seededRandom(seed, ...path)
    return tf.tensor2d(
      Float32Array.from({ length: count * length }, () => random.normal()),
      [count, length],
    )
  }
  const latents = (phase: string, count: number): tf.Tensor2D => normals(count, generator.config.zDim, 'z', phase, step)

  /** W+ of new latents, some of them of two faces: coarse layers of one, fine layers of the other. */
  const mixedW = (phase: string, count: number, labels?: tf.Tensor2D): tf.Tensor3D => {
    const wOf = (name: string) => generator.broadcast(generator.mapping(latents(name, count), labels))
    const first = wOf(phase)
    const random = seededRandom(seed, 'mixing', phase, step)
    if (random.uniform() >= mixing) return first
    return generator.mix(first, wOf(`${phase} mixed`), 1 + random.integer(generator.numWs - 1))
  }
  const synthesised = (phase: string, labels?: tf.Tensor2D): tf.Tensor4D =>
    generator.synthesis(mixedW(phase, batchSize, labels), { noise: { seed: `${seed} ${phase} ${step}` } })

  /** The discriminator behind the augmentation; a phase's augmentation is the same each time it is asked. */
  const judge = (phase: string): Pick<Discriminator, 'logits'> => ({
    logits(images, labels) {
      if (!augment || augmentationP() === 0) return discriminator.logits(images, labels)
      const draw = { policy: augment.policy, p: augmentationP(), path: [seed, 'augment', phase, step] }
      return discriminator.logits(augmentImages(images, draw), labels)
    },
  })

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

  const generatorStep = async (labels?: tf.Tensor2D): Promise<number> => {
    const computed = tf.tidy(() =>
      tf.variableGrads(() => generatorLoss(judge('G').logits(synthesised('G', labels), labels)), variables.G),
    )
    const w = tf.tidy(() => generator.mapping(latents('G', batchSize), labels))
    generator.updateAverage(w)
    w.dispose()
    return apply('G', computed, 'generator loss')
  }

  const pathLengthStep = async (labels?: tf.Tensor2D): Promise<number> => {
    const count = Math.max(1, Math.floor(batchSize / pathLength.shrink))
    const given = labels && tf.slice(labels, 0, count)
    const shape: [number, number, number, number] = [count, resolution, resolution, 3]
    const noise = tf.tidy(
      () => tf.reshape(normals(count, resolution * resolution * 3, 'path length', step), shape) as tf.Tensor4D,
    )
    const meanLength = tf.scalar(meanPathLength)
    const { meanLength: moved, ...penalty } = pathLengthPenalty(
      generator,
      variables.G,
      () => mixedW('path length', count, given),
      {
        weight: pathLength.weight * pathLength.every,
        form: pathLength.form,
        noise,
        meanLength,
        synthesisNoise: { noise: { seed: `${seed} path length ${step}` } },
      },
    )
    meanPathLength = (await moved.data())[0]!
    tf.dispose([noise, meanLength, moved, given ?? []])
    return (await apply('G', penalty, 'path length penalty')) / pathLength.every
  }

  const discriminatorStep = async (real: tf.Tensor4D, labels?: tf.Tensor2D) => {
    let scores!: tf.Tensor1D
    const computed = tf.tidy(() => {
      const fake = synthesised('D', labels)
      return tf.variableGrads(() => {
        const realLogits = judge('real').logits(real, labels)
        const fakeLogits = judge('D').logits(fake, labels)
        scores = tf.keep(
          tf.stack([tf.mean(realLogits), tf.mean(fakeLogits), tf.mean(tf.sign(realLogits))]) as tf.Tensor1D,
        )
        return discriminatorLoss(realLogits, fakeLogits)
      }, variables.D)
    })
    const [realScore, fakeScore, realSign] = await scores.data()
    scores.dispose()
    const discriminatorLossValue = await apply('D', computed, 'discriminator loss')
    return {
      discriminatorLoss: discriminatorLossValue,
      realScore: realScore!,
      fakeScore: fakeScore!,
      realSign: realSign!,
    }
  }

  const r1Step = async (real: tf.Tensor4D, labels?: tf.Tensor2D): Promise<number> => {
    const { form, every } = r1
    const penalty = r1Penalty(judge('real'), variables.D, real, { gamma: r1.gamma * every, form, labels })
    return (await apply('D', penalty, 'R1 penalty')) / every
  }

  return {
    generator,
    discriminator,
    get step() {
      return step
    },
    async train(images) {
      const real = toTensor(images, resolution)
      let labels: tf.Tensor2D | undefined
      let last = performance.now()
      const lap = (): number => {
        const before = last
        last = performance.now()
        return (last - before) / 1000
      }
      try {
        labels = toLabels(images, cDim)
        const generatorLossValue = await generatorStep(labels)
        const figures: Partial<TrainerFigures> = { generatorLoss: generatorLossValue, generatorSeconds: lap() }
        if (pathLength.weight > 0 && step % pathLength.every === 0) {
          figures.pathLength = await pathLengthStep(labels)
          figures.pathLengthSeconds = lap()
        }
        Object.assign(figures, await discriminatorStep(real, labels))
        figures.discriminatorSeconds = lap()
        if (r1.gamma > 0 && step % r1.every === 0) {
          figures.r1 = await r1Step(real, labels)
          figures.r1Seconds = lap()
        }
        average.update(states.average)
        figures.averageSeconds = lap()
        if (augment) {
          figures.augmentation = augmentationP()
          if (augment.p === 'adaptive') {
            adaptive = adaptAugmentation(adaptive, figures.realSign!, { ...augment, batchSize })
          }
        }
        step++
        return figures as TrainerFigures
      } finally {
        tf.dispose([real, labels ?? []])
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
      return { state: { step, meanPathLength, optimizerSteps, augmentation: adaptive }, tensors }
    },
    dispose,
  }
}
