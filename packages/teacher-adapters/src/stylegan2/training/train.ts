import { join } from 'node:path'
import { type PreparedBackend, prepareBackend } from '@fx/backend'
import { installSecondOrderGradients, installTrainingKernels } from '@fx/backend/training'
import { FxError } from '@fx/core'
import { writeFileAtomic } from '@fx/core/node'
import type { TeacherTraining, TrainingRunOptions } from '../../contract/training.js'
import { checkFingerprint, fingerprintOf } from '../../training/fingerprint.js'
import { batchesOf, type ImageSource } from '../../training/image-source.js'
import { addToWindow, emptyWindow, imagesOfCsv, imagesOfJson, meansOf, openLines } from '../../training/log.js'
import { randomGeneratorWeights } from '../generator.js'
import { type ResolvedTraining, resolveTraining, type Stylegan2TrainingConfig } from './config.js'
import { enlarge } from './enlarge.js'
import { type InitialWeights, readInitialWeights, startFrom } from './initial.js'
import { clearFolder, createEvaluator, trainingFiles, writeNetwork } from './outputs.js'
import { readSnapshot, type Snapshot, writeSnapshot } from './snapshot.js'
import { createTrainer } from './trainer.js'
import type { TrainerFigures } from './trainer-types.js'

/** What a training came to. */
export interface Stylegan2TrainingResult {
  folder: string
  /** Real images shown, over all sessions. */
  images: number
  /** The last Fréchet distance, when the config wants any. */
  frechet?: number
  /** True when the folder held the finished training already. */
  alreadyFinished: boolean
}

/**
 * Trains a StyleGAN2 and writes its folder: `snapshot.safetensors` to go on from, `network-<kimg>.safetensors` of the
 * averaged generator, `grid-<kimg>.png`, `log.jsonl`, `frechet.csv` and `training.json`. Everything random derives from the
 * seed and the step: a training that was killed and started again ends, on cpu and wasm, in the very weights of an unbroken
 * one.
 *
 * Source: Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020.
 *
 * @throws FxError `invalid-argument`, `backend-unavailable`, `missing-package`; `resume-mismatch` naming what differs from
 *   the config the folder was begun with; `aborted` once the snapshot is written after the signal; `not-finite`;
 *   `write-failed`, with the snapshot before intact.
 */
export const trainStylegan2 = async (
  config: Stylegan2TrainingConfig,
  options: TrainingRunOptions = {},
): Promise<Stylegan2TrainingResult> => {
  const resolved = resolveTraining({ ...config, out: options.out ?? config.out })
  const backend = await prepareBackend({ backend: resolved.backend, threads: 1 })
  options.onProgress?.({ type: 'note', message: backend.reason })
  await import('@tensorflow/tfjs-layers').catch(cause => {
    throw new FxError(
      'missing-package',
      'Training needs the gradients that @tensorflow/tfjs-layers registers: npm install @tensorflow/tfjs-layers',
      { cause },
    )
  })
  const uninstall = [await installTrainingKernels(), installSecondOrderGradients()]
  try {
    const source = await resolved.images()
    await source.check?.(resolved.trainer.generator.resolution)
    return await resume(resolved, source, backend, options)
  } finally {
    for (const undo of uninstall.reverse()) undo()
  }
}

/**
 * A training as `fx teacher train stylegan2 --config <file>` runs it: the default export of a config file.
 *
 * @throws FxError `invalid-argument` naming every member that is wrong or unknown.
 */
export const defineStylegan2Training = (config: Stylegan2TrainingConfig): TeacherTraining => {
  const { out } = resolveTraining(config)
  return {
    specificationVersion: 'v1',
    kind: 'stylegan2',
    out,
    run: async options => {
      await trainStylegan2(config, options)
    },
  }
}

const resume = async (
  config: ResolvedTraining,
  source: ImageSource,
  backend: PreparedBackend,
  options: TrainingRunOptions,
): Promise<Stylegan2TrainingResult> => {
  const { out } = config
  const { batchSize } = config.trainer
  const from = options.fresh ? undefined : await readSnapshot(join(out, trainingFiles.snapshot))
  const fingerprint = fingerprintOf({ ...config.trainer, mirror: config.mirror, images: source.id })
  if (from?.fingerprint) checkFingerprint(from.fingerprint, fingerprint, out)
  else if (from) {
    options.onProgress?.({
      type: 'note',
      message: `The snapshot in ${out} does not say its config; it is taken for one of this config`,
    })
  } else await clearFolder(out)
  const steps = Math.ceil(config.totalImages / batchSize)
  const done = from?.trainer.state.step ?? 0
  if (done >= steps) {
    const images = done * batchSize
    options.onProgress?.({
      type: 'note',
      message: `${out} already holds this training, ${images} images; start over with fresh (--fresh)`,
    })
    return { folder: out, images, alreadyFinished: true }
  }
  return run({ config, source, backend, options, fingerprint, from, steps })
}

/** What the networks begin with, when the config names a checkpoint: grown to their size where that is asked for. */
const initialWeights = async (
  { initial, enlarge: growing, trainer: { generator: config, seed, batchSize } }: ResolvedTraining,
  { onProgress, signal }: TrainingRunOptions,
): Promise<InitialWeights | undefined> => {
  if (!initial) return undefined
  const given = await readInitialWeights(initial)
  if (!growing) return given
  onProgress?.({
    type: 'note',
    message: `Growing the generator from ${given.config.resolution} to ${config.resolution} px`,
  })
  let error = 0
  const weights = startFrom('generator', randomGeneratorWeights(config, seed), given.generator)
  const small = { config: given.config, weights: given.generator }
  const generator = await enlarge({ config, weights }, small, {
    ...growing,
    seed,
    batchSize,
    signal,
    onStep: (_, value) => {
      error = value
    },
  })
  onProgress?.({
    type: 'note',
    message: `It draws what it drew to a mean error of ${error.toFixed(4)} (images in [-1, 1])`,
  })
  return { ...given, generator }
}

interface Run {
  config: ResolvedTraining
  source: ImageSource
  backend: PreparedBackend
  options: TrainingRunOptions
  fingerprint: Record<string, unknown>
  from: Snapshot | undefined
  /** Steps of the whole training. */
  steps: number
}

const run = async ({
  config,
  source,
  backend,
  options,
  fingerprint,
  from,
  steps,
}: Run): Promise<Stylegan2TrainingResult> => {
  const { out, every, frechet } = config
  const { batchSize, seed, generator } = config.trainer
  const at = (name: string): string => join(out, name)
  const due = (step: number, images: number): boolean => step % Math.max(1, Math.round(images / batchSize)) === 0
  const started = (from?.trainer.state.step ?? 0) * batchSize
  let seconds = from?.seconds ?? 0
  let window = from?.window ?? emptyWindow()

  // First of all: an unwritable folder is refused before any work is done.
  const log = await openLines(at(trainingFiles.log), started, imagesOfJson)
  const features = frechet ? frechet.extractor.name : 'none'
  const curve = frechet && (await openLines(at(trainingFiles.frechet), started, imagesOfCsv, `images,${features}`))
  const latest: { line?: Record<string, number>; frechet?: number } = {
    ...(log.last !== undefined && { line: JSON.parse(log.last) }),
    ...(curve && curve.last !== undefined && { frechet: Number(curve.last.split(',')[1]) }),
  }

  const writeRecord = (images: number): Promise<void> => {
    const record = {
      formatVersion: 1,
      kind: 'stylegan2',
      finished: images >= steps * batchSize,
      images,
      totalImages: config.totalImages,
      seconds,
      backend: { name: backend.name, threads: backend.threads },
      config: fingerprint,
      ...(frechet && { frechet: { features, images: frechet.images, latest: latest.frechet } }),
      figures: latest.line,
    }
    return writeFileAtomic(at(trainingFiles.record), `${JSON.stringify(record, null, 2)}\n`)
  }

  const evaluator = createEvaluator(config, source)
  const initial = from ? undefined : await initialWeights(config, options)
  const trainer = createTrainer(config.trainer, from?.trainer, initial)
  const batchAt = batchesOf(source, { seed, batchSize, resolution: generator.resolution, mirror: config.mirror })
  const imagesSoFar = (): number => trainer.step * batchSize
  let written = started

  const snapshot = async (): Promise<void> => {
    await writeSnapshot(at(trainingFiles.snapshot), { trainer: await trainer.save(), fingerprint, window, seconds })
    written = imagesSoFar()
    await writeRecord(written)
  }
  const evaluate = (): Promise<void> =>
    trainer.withAverage(async averaged => {
      const images = imagesSoFar()
      await evaluator.grid(averaged, images)
      if (images > 0) await writeNetwork(at(trainingFiles.network(images)), averaged)
      const distance = await evaluator.frechet(averaged)
      if (distance === undefined) return
      latest.frechet = distance
      if (curve) await curve.append(`${images},${distance}`)
    })
  const closeWindow = async (): Promise<void> => {
    const line = {
      images: imagesSoFar(),
      imagesPerSecond: (window.steps * batchSize) / window.seconds,
      ...meansOf(window),
    }
    window = emptyWindow()
    latest.line = line
    await log.append(JSON.stringify(line))
  }

  try {
    if (!from) await evaluate()
    let next = prefetch(batchAt, trainer.step)
    while (trainer.step < steps) {
      const begin = performance.now()
      const images = await next
      const imagesSeconds = (performance.now() - begin) / 1000
      next = prefetch(batchAt, trainer.step + 1)
      const figures = await trainer.train(images)
      const took = (performance.now() - begin) / 1000
      seconds += took
      addToWindow(window, { ...figures, imagesSeconds }, took)
      const { step } = trainer
      const last = step === steps
      options.onProgress?.({
        type: 'progress',
        done: imagesSoFar(),
        total: steps * batchSize,
        figures: shownOf(figures, latest.frechet),
      })
      if (last || due(step, every.log)) await closeWindow()
      if (last || due(step, every.evaluation)) await evaluate()
      if (last || due(step, every.snapshot)) await snapshot()
      // Timers and signals get their turn: a step on a synchronous backend never waits.
      await new Promise(setImmediate)
      if (options.signal?.aborted && !last) {
        if (written !== imagesSoFar()) await snapshot()
        throw new FxError(
          'aborted',
          `Stopped after ${imagesSoFar()} of ${steps * batchSize} images; a snapshot is written`,
          {
            details: { images: imagesSoFar(), total: steps * batchSize },
            cause: options.signal.reason,
          },
        )
      }
    }
    const images = imagesSoFar()
    const distance =
      latest.frechet === undefined ? '' : `; Fréchet distance ${latest.frechet.toPrecision(3)} (${features})`
    const whence = started > 0 ? `from ${started} to ${images} images` : `${images} images`
    options.onProgress?.({ type: 'done', message: `${whence}, batches of ${batchSize}${distance}, in ${out}` })
    return { folder: out, images, frechet: latest.frechet, alreadyFinished: false }
  } finally {
    trainer.dispose()
  }
}

/** Starts loading a batch; a failure is thrown where the batch is awaited, not before. */
const prefetch = <T>(batchAt: (step: number) => Promise<T>, step: number): Promise<T> => {
  const batch = batchAt(step)
  batch.catch(() => {})
  return batch
}

const shownOf = (figures: TrainerFigures, frechet: number | undefined): Record<string, number> => ({
  G: figures.generatorLoss,
  D: figures.discriminatorLoss,
  ...(figures.augmentation !== undefined && { p: figures.augmentation }),
  ...(frechet !== undefined && { Fréchet: frechet }),
})
