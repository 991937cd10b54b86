import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import { drawLook, portraitCaption, saidOf } from '@fx/miniatures/captions'
import { imagenPortraits } from '@fx/miniatures/imagen'
import {
  type Cascade,
  cascade,
  type ImagenStageWeights,
  openTextEncoder,
  readImagenStage,
  type SamplerOptions,
  type StageSampling,
  type TextEncoder,
} from '@fx/teacher-adapters/imagen'
import {
  collectStatistics,
  type FeatureStatistics,
  frechetDistance,
  thumbnail8x8,
} from '@fx/teacher-adapters/imagen/training'
import { portraitEffects, portraits } from '@fx/teacher-adapters/portraits'
import { openCheckpoint } from '@fx/weights/node'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-layers' // registers tfjs's gradients
import { calibration } from '../calibration.js'
import { csvOf, keptOf, machine, tableOf, timingCells } from '../output.js'
import { type Sample, type Summary, summarise } from '../statistics.js'

export const SAMPLING = 'imagen-sampling'

const SIDE = 16
const BATCH = 32
/** Drawn portraits that the samples are compared to. */
const REAL = 4096

interface Contender {
  name: string
  steps: number
  sampling: readonly StageSampling[]
}

const baseStage = (name: string, sampler: SamplerOptions & { steps: number }): Contender => ({
  name: `${name} ${sampler.steps}`,
  steps: sampler.steps,
  sampling: [{ sampler, guidance: 1 }],
})

/** The base stage without guidance, by sampler and steps; last the whole cascade as the teacher runs it. */
const contenders: readonly Contender[] = [
  baseStage('ddpm', { kind: 'ddpm', steps: 100 }),
  baseStage('ddim', { kind: 'ddim', steps: 50 }),
  baseStage('ddim', { kind: 'ddim', steps: 20 }),
  baseStage('dpm-solver++ ODE', { kind: 'dpm-solver++', steps: 20 }),
  baseStage('dpm-solver++ SDE', { kind: 'dpm-solver++', steps: 20, eta: 1 }),
  baseStage('dpm-solver++ SDE', { kind: 'dpm-solver++', steps: 10, eta: 1 }),
  { name: 'whole cascade', steps: 17, sampling: imagenPortraits.sampling },
]

/** Features of images at the base stage's size, whatever their own. */
const featuresOf = async (images: tf.Tensor4D): Promise<Float32Array> => {
  const small = tf.tidy(() => {
    const [, side] = images.shape
    const at16 = side === SIDE ? images : tf.avgPool(images, side / SIDE, side / SIDE, 'valid')
    return tf.clipByValue(at16, -1, 1)
  })
  const features = await thumbnail8x8.extract(small)
  const values = (await features.data()) as Float32Array
  tf.dispose([small, features])
  return values
}

const realStatistics = async (): Promise<FeatureStatistics> => {
  const statistics = collectStatistics()
  const seeds = Array.from({ length: REAL }, (_, i) => 40_000_000 + i)
  const request = { effect: portraitEffects.background, size: SIDE, seeds }
  for await (const { input } of portraits({ style: 'pixelArt' }).pairs(request)) {
    const image = tf.tidy(() =>
      tf.tensor4d(
        Float32Array.from(input.data, v => v / 127.5 - 1),
        [1, SIDE, SIDE, 3],
      ),
    )
    statistics.add(await featuresOf(image), 1)
    image.dispose()
  }
  return statistics.finish()
}

const openStages = (): Promise<ImagenStageWeights[]> =>
  Promise.all(
    imagenPortraits.stages.map(async location => {
      const checkpoint = await openCheckpoint(location)
      try {
        return await readImagenStage(checkpoint)
      } finally {
        await checkpoint.close()
      }
    }),
  )

const generate = async (network: Cascade, text: TextEncoder, round: number): Promise<tf.Tensor4D> => {
  const names = Array.from({ length: BATCH }, (_, i) => `benchmark ${round * BATCH + i}`)
  const embeddings = await text.encode([...names.map(name => portraitCaption(saidOf(drawLook(name), name))), ''])
  const [asked, negative] = tf.split(embeddings, [BATCH, 1]) as [tf.Tensor3D, tf.Tensor3D]
  try {
    return await network.generate({ text: asked, negative, seeds: names })
  } finally {
    tf.dispose([embeddings, asked, negative])
  }
}

/**
 * Seconds an image by sampler and steps, and the Fréchet distance of as many samples as rounds allow (32 a round) to drawn
 * portraits, each sampler from the same noise and captions. Prints the table and returns the CSV.
 */
export const measureSampling = async (rounds: number): Promise<string> => {
  console.log('\nImagen, the miniature: samplers of its base stage, 16 pixels, without guidance')
  const calibrate = await calibration()
  await prepareBackend({ backend: 'wasm', threads: 1 })
  const uninstall = await installTrainingKernels()
  const stages = await openStages()
  const text = await openTextEncoder(imagenPortraits.text)
  const running = contenders.map(contender => ({
    ...contender,
    network: cascade({ stages: stages.slice(0, contender.sampling.length), sampling: contender.sampling }),
    samples: [] as Sample[],
    statistics: collectStatistics(),
  }))
  for (let round = 0; round < rounds; round++) {
    for (const { network, samples, statistics } of running) {
      const calibrationBefore = calibrate()
      const start = performance.now()
      const images = await generate(network, text, round)
      await images.data()
      samples.push({ ms: performance.now() - start, calibrationBefore, calibrationAfter: calibrate() })
      statistics.add(await featuresOf(images), BATCH)
      images.dispose()
    }
    console.log(`  round ${round + 1} of ${rounds}`)
  }
  const real = await realStatistics()
  const rows = running.map(({ name, steps, samples, statistics }) => ({
    name,
    steps,
    timing: summarise(samples),
    frechet: frechetDistance(real, statistics.finish()),
  }))
  for (const { network } of running) network.dispose()
  text.dispose()
  uninstall()
  const reference = rows[0]!.frechet
  const perImage = ({ p50 }: Summary): string => (p50 / 1000 / BATCH).toFixed(4)
  console.log(
    tableOf(
      ['', 's/image', 'kept', 'Fréchet', 'to ddpm 100'],
      rows.map(({ name, timing, frechet }) => [
        name,
        perImage(timing),
        keptOf(timing),
        frechet.toFixed(3),
        (frechet / reference).toFixed(3),
      ]),
    ),
  )
  return csvOf(
    'sampler,steps,images,s_per_image,frechet,frechet_to_ddpm_100,p50_ms,p95_ms,min_ms,kept,runs,noisy,node,cpu',
    rows.map(({ name, steps, timing, frechet }) => [
      name,
      steps,
      rounds * BATCH,
      perImage(timing),
      frechet.toFixed(4),
      (frechet / reference).toFixed(4),
      ...timingCells(timing),
      ...machine(),
    ]),
  )
}
