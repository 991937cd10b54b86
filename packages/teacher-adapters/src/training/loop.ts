import { join } from 'node:path'
import type { PreparedBackend } from '@fx/backend'
import { FxError } from '@fx/core'
import { writeFileAtomic } from '@fx/core/node'
import type { TrainingRunOptions } from '../contract/training.js'
import { checkFingerprint, type Fingerprint } from './fingerprint.js'
import { clearFolder, trainingFiles } from './folder.js'
import type { TrainingImage } from './image-source.js'
import { addToWindow, emptyWindow, imagesOfCsv, imagesOfJson, meansOf, openLines } from './log.js'
import { type SavedTraining, type TrainingSnapshot, writeTrainingSnapshot } from './snapshot.js'

/** What a training came to. */
export interface TrainingResult {
  folder: string
  /** Images shown, over all sessions. */
  images: number
  /** The last Fréchet distance, when the config wants any. */
  frechet?: number
  /** True when the folder held the finished training already. */
  alreadyFinished: boolean
}

/** A network in training, step by step. */
export interface StepTrainer<State extends { step: number }> {
  /** Steps done. */
  readonly step: number
  /** One step on a batch. Gives the step's figures by name, all numbers. */
  train(images: readonly TrainingImage[]): Promise<object>
  save(): Promise<SavedTraining<State>>
  dispose(): void
}

export interface TrainingLoop<State extends { step: number }, Trainer extends StepTrainer<State>> {
  kind: string
  out: string
  batchSize: number
  totalImages: number
  /** Images between lines of the log, snapshots and evaluations. */
  every: { log: number; snapshot: number; evaluation: number }
  /** Name of the features and count of the images of the Fréchet curve; undefined for none. */
  frechet: { features: string; images: number } | undefined
  fingerprint: Fingerprint
  backend: PreparedBackend
  options: TrainingRunOptions
  /** The folder's snapshot, when it has one. */
  read: (path: string) => Promise<TrainingSnapshot<State> | undefined>
  /** Makes the trainer, from what was saved if anything was. */
  open: (saved: SavedTraining<State> | undefined) => Trainer | Promise<Trainer>
  batchAt: (step: number) => Promise<TrainingImage[]>
  /**
   * Writes the grid and, once anything was learnt, the network, as files of the names of `trainingFiles`.
   *
   * @returns the Fréchet distance, when the config wants any.
   */
  evaluate: (trainer: Trainer, images: number) => Promise<number | undefined>
  /** Which figures of a step the progress shows, by their short names. */
  shown: (figures: Awaited<ReturnType<Trainer['train']>>) => Record<string, number>
}

/**
 * Trains to the end, from the folder's last snapshot if it has one, and writes the folder: snapshot, log, Fréchet curve,
 * record and what `evaluate` adds.
 *
 * @throws FxError `resume-mismatch`, `aborted` once the snapshot is written after the signal, `write-failed`, and those of
 *   the trainer; the snapshot before stays intact.
 */
export const runTraining = async <State extends { step: number }, Trainer extends StepTrainer<State>>(
  loop: TrainingLoop<State, Trainer>,
): Promise<TrainingResult> => {
  const { out, batchSize, fingerprint, options } = loop
  const from = options.fresh ? undefined : await loop.read(join(out, trainingFiles.snapshot))
  if (from?.fingerprint) checkFingerprint(from.fingerprint, fingerprint, out)
  else if (from) {
    options.onProgress?.({
      type: 'note',
      message: `The snapshot in ${out} does not say its config; it is taken for one of this config`,
    })
  } else await clearFolder(out)
  const steps = Math.ceil(loop.totalImages / batchSize)
  const done = from?.trainer.state.step ?? 0
  if (done < steps) return run(loop, from, steps)
  const images = done * batchSize
  options.onProgress?.({
    type: 'note',
    message: `${out} already holds this training, ${images} images; start over with fresh (--fresh)`,
  })
  return { folder: out, images, alreadyFinished: true }
}

const run = async <State extends { step: number }, Trainer extends StepTrainer<State>>(
  { kind, out, batchSize, every, frechet, fingerprint, backend, options, ...loop }: TrainingLoop<State, Trainer>,
  from: TrainingSnapshot<State> | undefined,
  steps: number,
): Promise<TrainingResult> => {
  const at = (name: string): string => join(out, name)
  const due = (step: number, images: number): boolean => step % Math.max(1, Math.round(images / batchSize)) === 0
  const started = (from?.trainer.state.step ?? 0) * batchSize
  let seconds = from?.seconds ?? 0
  let window = from?.window ?? emptyWindow()

  // First of all: an unwritable folder is refused before any work is done.
  const log = await openLines(at(trainingFiles.log), started, imagesOfJson)
  const curve =
    frechet && (await openLines(at(trainingFiles.frechet), started, imagesOfCsv, `images,${frechet.features}`))
  const latest: { line?: Record<string, number>; frechet?: number } = {
    ...(log.last !== undefined && { line: JSON.parse(log.last) }),
    ...(curve && curve.last !== undefined && { frechet: Number(curve.last.split(',')[1]) }),
  }

  const writeRecord = (images: number): Promise<void> => {
    const record = {
      formatVersion: 1,
      kind,
      finished: images >= steps * batchSize,
      images,
      totalImages: loop.totalImages,
      seconds,
      backend: { name: backend.name, threads: backend.threads },
      config: fingerprint,
      ...(frechet && { frechet: { ...frechet, latest: latest.frechet } }),
      figures: latest.line,
    }
    return writeFileAtomic(at(trainingFiles.record), `${JSON.stringify(record, null, 2)}\n`)
  }

  const trainer = await loop.open(from?.trainer)
  const imagesSoFar = (): number => trainer.step * batchSize
  let written = started

  const snapshot = async (): Promise<void> => {
    const whole = { trainer: await trainer.save(), fingerprint, window, seconds }
    await writeTrainingSnapshot(at(trainingFiles.snapshot), whole)
    written = imagesSoFar()
    await writeRecord(written)
  }
  const evaluate = async (): Promise<void> => {
    const distance = await loop.evaluate(trainer, imagesSoFar())
    if (distance === undefined) return
    latest.frechet = distance
    if (curve) await curve.append(`${imagesSoFar()},${distance}`)
  }
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
    let next = prefetch(loop.batchAt, trainer.step)
    while (trainer.step < steps) {
      const begin = performance.now()
      const images = await next
      const imagesSeconds = (performance.now() - begin) / 1000
      next = prefetch(loop.batchAt, trainer.step + 1)
      const figures = (await trainer.train(images)) as Awaited<ReturnType<Trainer['train']>>
      const took = (performance.now() - begin) / 1000
      seconds += took
      addToWindow(window, { ...figures, imagesSeconds }, took)
      const { step } = trainer
      const last = step === steps
      options.onProgress?.({
        type: 'progress',
        done: imagesSoFar(),
        total: steps * batchSize,
        figures: { ...loop.shown(figures), ...(latest.frechet !== undefined && { Fréchet: latest.frechet }) },
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
      latest.frechet === undefined ? '' : `; Fréchet distance ${latest.frechet.toPrecision(3)} (${frechet?.features})`
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
