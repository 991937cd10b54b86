import { prepareBackend } from '@fx/backend'
import {
  adam,
  exponentialMovingAverage,
  installSecondOrderGradients,
  installTrainingKernels,
} from '@fx/backend/training'
import {
  randomDiscriminatorWeights,
  randomGeneratorWeights,
  stylegan2Discriminator,
  stylegan2Generator,
} from '@fx/teacher-adapters/stylegan2'
import {
  discriminatorLoss,
  generatorLoss,
  type PenaltyForm,
  pathLengthPenalty,
  r1Penalty,
} from '@fx/teacher-adapters/stylegan2/training'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-layers' // registers tfjs's gradients
import type { Prepared } from '../contender.js'
import { peakTensorBytes } from './generation.js'
import type { GanContender } from './scenario.js'

const trainableOf = (parameters: ReadonlyMap<string, tf.Tensor>): tf.Variable[] =>
  [...parameters.values()].filter(value => (value as tf.Variable).trainable) as tf.Variable[]

/** Path length is measured on half a batch, as in the paper's appendix B. */
const PATH_LENGTH_SHRINK = 2

/** The parts of a training step, each by itself: gradients of every loss and penalty, and the update of all weights. */
export const prepareGanTraining = async ({ backend, threads, shape, batches }: GanContender): Promise<Prepared> => {
  const prepared = await prepareBackend({ backend, threads: threads || 'auto' })
  await installTrainingKernels()
  installSecondOrderGradients()
  const { resolution, channelBase, channelMax } = shape
  const batch = batches[0]!
  const judge = { resolution, channelBase, channelMax }
  const generator = stylegan2Generator({ config: shape, weights: randomGeneratorWeights(shape, 1), trainable: true })
  const discriminator = stylegan2Discriminator({
    config: judge,
    weights: randomDiscriminatorWeights(judge, 1),
    trainable: true,
  })
  const variables = {
    generator: trainableOf(generator.parameters),
    discriminator: trainableOf(discriminator.parameters),
  }
  const all = [...variables.generator, ...variables.discriminator]
  const real = tf.randomUniform([batch, resolution, resolution, 3], -1, 1) as tf.Tensor4D
  const z = tf.randomNormal([batch, shape.zDim]) as tf.Tensor2D
  const few = Math.max(1, Math.floor(batch / PATH_LENGTH_SHRINK))
  const fewZ = tf.randomNormal([few, shape.zDim]) as tf.Tensor2D
  const pathNoise = tf.randomNormal([few, resolution, resolution, 3]) as tf.Tensor4D
  const meanLength = tf.scalar(0)
  const optimizer = adam({ beta1: 0, beta2: 0.99, epsilon: 1e-8 })
  const state = optimizer.init(all)
  const average = exponentialMovingAverage(0.999)
  const averageState = average.init(variables.generator)
  const gradients = all.map(variable => tf.fill(variable.shape, 1e-4))

  const noise = { seed: 1 }
  const finish = async (computed: { value: tf.Scalar; grads: tf.NamedTensorMap }): Promise<void> => {
    await computed.value.data()
    tf.dispose(computed)
  }
  const r1 = (form: PenaltyForm) => () =>
    finish(r1Penalty(discriminator, variables.discriminator, real, { gamma: 1, form }))
  const pathLength = (form: PenaltyForm) => () =>
    finish(
      pathLengthPenalty(generator, variables.generator, () => generator.broadcast(generator.mapping(fewZ)), {
        weight: 2,
        form,
        noise: pathNoise,
        meanLength,
        synthesisNoise: { noise },
      }),
    )
  const runs: Record<string, () => Promise<void>> = {
    'generator step': () =>
      finish(
        tf.variableGrads(
          () => generatorLoss(discriminator.logits(generator.generate(z, { noise }))),
          variables.generator,
        ),
      ),
    'discriminator step': () =>
      finish(
        tf.tidy(() => {
          const fake = generator.generate(z, { noise })
          return tf.variableGrads(
            () => discriminatorLoss(discriminator.logits(real), discriminator.logits(fake)),
            variables.discriminator,
          )
        }),
      ),
    'R1 exact': r1('exact'),
    'R1 finite-difference': r1('finite-difference'),
    'path length exact': pathLength('exact'),
    'path length finite-difference': pathLength('finite-difference'),
    'optimiser and average': async () => {
      optimizer.update(state, gradients, { learningRate: 1e-6 })
      average.update(averageState)
      await tf.slice(tf.reshape(all.at(-1)!, [-1]), 0, 1).data()
    },
  }
  const tasks = []
  for (const [name, run] of Object.entries(runs)) {
    tasks.push({ name, run, peakTensorBytes: await peakTensorBytes(run) })
  }
  return {
    description: `${prepared.name}, ${prepared.threads} thread(s)`,
    tasks,
    facts: { peakRssBytes: process.resourceUsage().maxRSS * 1024 },
  }
}
