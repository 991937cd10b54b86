import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepareBackend } from '@fx/backend'
import { type DistillConfig, distill, type OnProgress, type Student } from '@fx/distill'
import { l1 } from '@fx/losses'
import { colourError, type Metric, perImage, ssim } from '@fx/losses/metrics'
import { featureDistance } from '@fx/losses/perceptual'
import { uncalibratedFaceFeatures } from '@fx/losses/perceptual/face'
import { portraitEffects, portraits } from '@fx/teacher-adapters/portraits'
import { cost, type Preset, studentPresets, unetStudent } from '@fx/unet-student'
import { csvOf, machine, tableOf } from '../output.js'
import { pix2pixUnet } from './pix2pix.js'

export const QUALITY = 'student-quality'

/** Channels with which pix2pix costs about 20 times the preset `small`. */
const pix2pixWidth = 44

interface QualityOptions {
  /** Side of the images, pixels. */
  size: number
  pairs: number
  heldOut: number
  steps: number
  batchSize: number
  /** The perceptual metric, SSIM and the error in colour. */
  metrics: () => Metric[]
  onProgress?: OnProgress
}

/** What a student costs, and how well it does on held-out pairs. */
interface QualityRow {
  name: string
  /** Multiply-accumulates of one image, millions. */
  mmacs: number
  parameters: number
  /** Distance to the target as a network sees both that learned from photographs of faces. */
  perceptual: number
  /** Mean absolute error where the teacher changed the picture, over that of doing nothing. */
  changedError: number
  /** Of the output against the input where the teacher changed nothing, dB. */
  keptPsnr: number
  /** Of the output against the target, dB. */
  psnr: number
  ssim: number
  /** Mean CIEDE2000 difference to the target. */
  colourError: number
}

interface Contestant {
  student: (seed: number) => Student
  /** Peak of the schedule. */
  learningRate: number
}

/**
 * The students of the reference task by name: the presets, and a plain UNet as the yardstick, which learns at a lower rate
 * (pix2pix itself, over many more steps, at 2e-4).
 */
const contestants = (size: number): Record<string, Contestant> => ({
  ...Object.fromEntries(
    (Object.keys(studentPresets) as Preset[]).map(preset => [
      preset,
      { student: (seed: number) => unetStudent({ preset, inputSize: size, seed }), learningRate: 8e-3 },
    ]),
  ),
  pix2pix: { student: seed => pix2pixUnet({ size, width: pix2pixWidth, seed }), learningRate: 1e-3 },
})

/**
 * The reference task: pink hair on drawn portraits. Every student sees the same pairs in the same order for the same
 * number of steps, and is judged on the same held-out ones.
 */
const qualityOf = async (
  name: string,
  { student, learningRate }: Contestant,
  { size, pairs, heldOut, steps, batchSize, metrics: wanted, onProgress }: QualityOptions,
): Promise<QualityRow> => {
  const out = await mkdtemp(join(tmpdir(), 'fx-quality-'))
  const config: DistillConfig = {
    out,
    backend: 'wasm',
    size,
    effect: portraitEffects['hair-colour'],
    teacher: () => portraits(),
    student: ({ seed }) => student(seed),
    pairs: { train: pairs, heldOut },
    training: { steps, batchSize, learningRate, changedRegionWeight: 4, loss: l1(), evaluateEvery: 0 },
    metrics: wanted,
  }
  try {
    const { student: trained, metrics } = await distill(config, { onProgress })
    const { macs, parameters } = cost(trained.model as Parameters<typeof cost>[0])
    if (trained.dispose) trained.dispose()
    else trained.model.dispose()
    const { changedRegion, keptRegion, fullImage } = metrics
    const [perceptual, similarity, colour] = Object.values(metrics.metrics!).map(each => each.student)
    return {
      name,
      mmacs: macs / 1e6,
      parameters,
      perceptual: perceptual!,
      changedError: changedRegion.studentMae / changedRegion.doNothingMae,
      keptPsnr: keptRegion.psnrDb,
      psnr: fullImage.psnrDb,
      ssim: similarity!,
      colourError: colour!,
    }
  } finally {
    await rm(out, { recursive: true })
  }
}

const header = ['', 'MMAC', 'parameters', 'perceptual', 'changed error', 'kept dB', 'PSNR', 'SSIM', 'CIEDE2000']

const cellsOf = (row: QualityRow): string[] => [
  row.name,
  row.mmacs.toFixed(2),
  row.parameters.toString(),
  row.perceptual.toFixed(4),
  row.changedError.toFixed(3),
  row.keptPsnr.toFixed(2),
  row.psnr.toFixed(2),
  row.ssim.toFixed(4),
  row.colourError.toFixed(3),
]

/**
 * Trains and measures every contestant at 64 pixels, prints a row for each when it is done, and returns the CSV.
 *
 * @throws FxError `missing-package` without the network that judges.
 */
export const measureQuality = async (): Promise<string> => {
  console.log('\nThe presets and a plain pix2pix UNet on the reference task')
  await prepareBackend({ backend: 'wasm', threads: 1 })
  const faces = featureDistance(await uncalibratedFaceFeatures())
  const metrics = () => [
    perImage('perceptual', ({ output, target }) => faces.distances(output, target), { ideal: 0 }),
    ssim(),
    colourError(),
  ]
  const options = { metrics, size: 64, pairs: 2000, heldOut: 128, steps: 500, batchSize: 8 }
  const { size, pairs, heldOut, steps, batchSize } = options
  const rows: (string | number)[][] = []
  for (const [name, contestant] of Object.entries(contestants(size))) {
    const cells = cellsOf(await qualityOf(name, contestant, options))
    console.log(tableOf(header, [cells]))
    rows.push([...cells, size, pairs, heldOut, steps, batchSize, contestant.learningRate, ...machine()])
  }
  return csvOf(
    'student,mmacs,parameters,perceptual,changed_error,kept_psnr_db,psnr_db,ssim,colour_error,size,pairs,held_out,steps,batch,learning_rate,node,cpu',
    rows,
  )
}
