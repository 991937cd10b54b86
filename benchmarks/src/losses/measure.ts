import { prepareBackend } from '@fx/backend'
import { fuseLayersForTraining, installSecondOrderGradients, installTrainingKernels } from '@fx/backend/training'
import { seededRandom } from '@fx/core'
import {
  adaptiveRobust,
  charbonnier,
  colourMoments,
  generalRobust,
  gradientLoss,
  isAdversary,
  isTrainable,
  type Loss,
  l1,
  l2,
  msSsim,
  sobelLoss,
  ssim,
  totalVariation,
} from '@fx/losses'
import { adversarial, featureMatching, multiScaleDiscriminator, patchDiscriminator } from '@fx/losses/adversarial'
import { dists, lpips } from '@fx/losses/perceptual'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { unetStudent } from '@fx/unet-student'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-layers' // registers tfjs's gradients
import { calibration } from '../calibration.js'
import { csvOf, keptOf, machine, tableOf, timingCells } from '../output.js'
import { medianRatio, type Sample, summarise } from '../statistics.js'
import { randomDistsWeights, randomHeads, randomTrunk } from './random-weights.js'

export const LOSSES = 'losses'

const SIZE = 128
const BATCH = 4

const images = (purpose: string): tf.Tensor4D => {
  const { uniform } = seededRandom('losses', purpose)
  return tf.tensor4d(Float32Array.from({ length: BATCH * SIZE * SIZE * 3 }, uniform), [BATCH, SIZE, SIZE, 3])
}

interface Task {
  name: string
  run(): tf.Tensor[]
}

/** The student's own forward and backward pass: a given gradient of its answer, taken to every weight. */
const studentTask = (input: tf.Tensor4D): Task => {
  const { model } = unetStudent({
    inputSize: SIZE,
    encoder: mobilenetEncoder({ width: 0.5, batchNormMomentum: 0.9 }),
    seed: 1,
  })
  fuseLayersForTraining(model)
  const variables = model.trainableWeights.map(weight => weight.read() as tf.Variable)
  const run = (): tf.Tensor[] => {
    const { value, grads } = tf.variableGrads(
      () => tf.mean<tf.Scalar>(model.apply(input, { training: true }) as tf.Tensor4D),
      variables,
    )
    return [value, ...Object.values(grads)]
  }
  return { name: "the student's forward and backward", run }
}

/** The value of every loss and its gradient in the prediction; for discriminators also a step of their own. */
const lossTasks = async (): Promise<Task[]> => {
  const target = images('target')
  // A variable, so that its gradient can be taken together with those of a loss's own parameters.
  const prediction = tf.variable(images('prediction')) as tf.Variable<tf.Rank.R4>
  const of = (name: string, loss: Loss): Task => ({
    name,
    run: () => {
      const own = isTrainable(loss) && !isAdversary(loss) ? Object.values(loss.variables()) : []
      const { value, grads } = tf.variableGrads(() => loss(prediction, target), [prediction, ...own])
      return [value, ...Object.values(grads)]
    },
  })
  const patch = patchDiscriminator({ norm: 'none' })
  const normalised = patchDiscriminator()
  const two = multiScaleDiscriminator({ norm: 'none' })
  const papers = patchDiscriminator({ filters: 64 })
  const hinge = adversarial(patch)
  const judged = (name: string, loss: ReturnType<typeof adversarial>, step: number): Task => ({
    name,
    run: () => {
      const { value, grads } = tf.variableGrads(
        () => loss.judge(prediction, target, { step }).total,
        Object.values(loss.variables()),
      )
      return [value, ...Object.values(grads)]
    },
  })
  const penalised = adversarial(patch, { gradientPenalty: { kind: 'r1' } })
  const perceptual = async (net: 'squeeze' | 'alex' | 'vgg') =>
    of(`lpips, ${net}`, (await lpips({ net, trunk: randomTrunk(net), heads: randomHeads(net) })).loss)
  return [
    of('l1', l1()),
    of('l2', l2()),
    of('charbonnier', charbonnier()),
    of('ssim', ssim()),
    of('msSsim, four scales', msSsim({ scaleWeights: [0.3, 0.3, 0.2, 0.2] })),
    of('gradientLoss', gradientLoss()),
    of('sobelLoss', sobelLoss()),
    of('totalVariation', totalVariation()),
    of('colourMoments', colourMoments()),
    of('generalRobust', generalRobust({ alpha: 1, scale: 0.1 })),
    of('adaptiveRobust', adaptiveRobust()),
    of('adaptiveRobust, wavelets', adaptiveRobust({ representation: 'wavelet' })),
    await perceptual('squeeze'),
    await perceptual('alex'),
    await perceptual('vgg'),
    of('dists', (await dists({ trunk: randomTrunk('vgg'), weights: randomDistsWeights() })).loss),
    of('adversarial', hinge),
    judged("adversarial, the discriminator's step", hinge, 1),
    judged("adversarial, the discriminator's step with R1", penalised, 0),
    of('adversarial, instance norm', adversarial(normalised)),
    of('adversarial, two scales', adversarial(two)),
    of('adversarial, 64 filters', adversarial(papers)),
    of('featureMatching', featureMatching(patch)),
  ]
}

/**
 * What each loss costs as a training step takes it, over the student's own forward and backward pass, in the same rounds.
 * Prints the table and returns the CSV.
 */
export const measureLosses = async (rounds: number): Promise<string> => {
  console.log(
    `\nLosses, ${BATCH} images of ${SIZE}x${SIZE}, wasm, one thread: times the student's forward and backward`,
  )
  const calibrate = await calibration()
  await prepareBackend({ backend: 'wasm', threads: 1 })
  const uninstall = [await installTrainingKernels(), installSecondOrderGradients()]
  const tasks = [studentTask(images('input')), ...(await lossTasks())]
  const running = tasks.map(task => ({ ...task, samples: [] as Sample[] }))
  for (let round = -1; round < rounds; round++) {
    for (const { run, samples } of running) {
      const calibrationBefore = calibrate()
      const start = performance.now()
      const made = run()
      for (const tensor of made) tensor.dataSync()
      const ms = performance.now() - start
      tf.dispose(made)
      // The first round only warms up.
      if (round >= 0) samples.push({ ms, calibrationBefore, calibrationAfter: calibrate() })
    }
  }
  for (const undo of uninstall.reverse()) undo()
  const student = running[0]!.samples
  const rows = running.map(({ name, samples }) => ({
    name,
    summary: summarise(samples),
    ratio: medianRatio(samples, student),
  }))
  console.log(
    tableOf(
      ['', 'p50 ms', 'kept', 'times the student'],
      rows.map(({ name, summary, ratio }) => [name, summary.p50.toFixed(1), keptOf(summary), ratio.toFixed(2)]),
    ),
  )
  return csvOf(
    'loss,size,batch,p50_ms,p95_ms,min_ms,kept,runs,noisy,times_student,node,cpu',
    rows.map(({ name, summary, ratio }) => [
      name.replaceAll(',', ' '),
      SIZE,
      BATCH,
      ...timingCells(summary),
      ratio.toFixed(3),
      ...machine(),
    ]),
  )
}
