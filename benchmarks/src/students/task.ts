import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepareBackend } from '@fx/backend'
import { hashJson } from '@fx/core'
import { writeFileAtomic } from '@fx/core/node'
import { type DistillConfig, distill, type Student } from '@fx/distill'
import { l1 } from '@fx/losses'
import { colourError, type Metric, perImage, ssim } from '@fx/losses/metrics'
import { featureDistance } from '@fx/losses/perceptual'
import { uncalibratedFaceFeatures } from '@fx/losses/perceptual/face'
import { portraitEffects, portraits } from '@fx/teacher-adapters/portraits'
import { cost } from '@fx/unet-student'

/** The reference task: pink hair on drawn portraits of this side, pixels. */
export const task = { size: 64, pairs: 2000, heldOut: 128, batchSize: 8 } as const

/** Peak of the schedule for students of `@fx/unet-student`. */
export const studentRate = 8e-3

export interface Contestant {
  /** A student for images of `task.size`. */
  student: (seed: number) => Student
  /** Peak of the schedule. */
  learningRate: number
  steps: number
  /** Seed of the initial weights; pairs and their order stay the same. Default 1. */
  seed?: number
}

/** What a student costs, and how well it does on held-out pairs. */
export interface Quality {
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

const release = (student: Student): void => (student.dispose ? student.dispose() : void student.model.dispose())

const qualityOf = async (contestant: Contestant, metrics: () => Metric[]): Promise<Quality> => {
  const { student, learningRate, steps, seed = 1 } = contestant
  const { size, pairs, heldOut, batchSize } = task
  const out = await mkdtemp(join(tmpdir(), 'fx-quality-'))
  const config: DistillConfig = {
    out,
    backend: 'wasm',
    size,
    effect: portraitEffects['hair-colour'],
    teacher: () => portraits(),
    student: () => student(seed),
    pairs: { train: pairs, heldOut },
    training: { steps, batchSize, learningRate, changedRegionWeight: 4, loss: l1(), evaluateEvery: 0 },
    metrics,
  }
  try {
    const { student: trained, metrics: measured } = await distill(config)
    const { macs, parameters } = cost(trained.model as Parameters<typeof cost>[0])
    release(trained)
    const { changedRegion, keptRegion, fullImage } = measured
    const [perceptual, similarity, colour] = Object.values(measured.metrics!).map(each => each.student)
    return {
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

/**
 * Readies the reference task. The judge trains a contestant and measures it: all see the same pairs in the same order and
 * are measured on the same held-out ones. What it has measured it keeps in a folder, so that a run that was stopped goes
 * on; `done` removes that.
 *
 * @throws FxError `missing-package` without the network that judges.
 */
export const openTask = async (scenario: string) => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
  const faces = featureDistance(await uncalibratedFaceFeatures())
  const metrics = () => [
    perImage('perceptual', ({ output, target }) => faces.distances(output, target), { ideal: 0 }),
    ssim(),
    colourError(),
  ]
  const state = join(tmpdir(), `fx-${scenario}`)
  await mkdir(state, { recursive: true })
  return {
    judge: async (contestant: Contestant): Promise<Quality> => {
      const looked = contestant.student(0)
      const { specHash } = looked
      release(looked)
      const { learningRate, steps, seed = 1 } = contestant
      const path = join(state, `${hashJson({ specHash, learningRate, steps, seed, task })}.json`)
      const before = await readFile(path, 'utf8').catch(() => undefined)
      if (before !== undefined) return JSON.parse(before)
      const quality = await qualityOf(contestant, metrics)
      await writeFileAtomic(path, JSON.stringify(quality))
      return quality
    },
    done: () => rm(state, { recursive: true }),
  }
}

/** Names of the columns that `qualityCells` fills, on the screen and in a CSV. */
export const qualityHeader = [
  'MMAC',
  'parameters',
  'perceptual',
  'changed error',
  'kept dB',
  'PSNR',
  'SSIM',
  'CIEDE2000',
]
export const qualityColumns = 'mmacs,parameters,perceptual,changed_error,kept_psnr_db,psnr_db,ssim,colour_error'

export const qualityCells = (quality: Quality): string[] => [
  quality.mmacs.toFixed(2),
  quality.parameters.toString(),
  quality.perceptual.toFixed(4),
  quality.changedError.toFixed(3),
  quality.keptPsnr.toFixed(2),
  quality.psnr.toFixed(2),
  quality.ssim.toFixed(4),
  quality.colourError.toFixed(3),
]
