import { join } from 'node:path'
import type { PreparedBackend } from '@fx/backend'
import { installSecondOrderGradients, installTrainingKernels } from '@fx/backend/training'
import type { TeacherTraining, TrainingRunOptions } from '../../contract/training.js'
import { fingerprintOf } from '../../training/fingerprint.js'
import { trainingFiles } from '../../training/folder.js'
import { batchesOf, type ImageSource } from '../../training/image-source.js'
import { runTraining, type TrainingResult } from '../../training/loop.js'
import { withTrainingBackend } from '../../training/session.js'
import { randomGeneratorWeights } from '../generator.js'
import { type ResolvedTraining, resolveTraining, type Stylegan2TrainingConfig } from './config.js'
import { enlarge } from './enlarge.js'
import { type InitialWeights, readInitialWeights, startFrom } from './initial.js'
import { createEvaluator, writeNetwork } from './outputs.js'
import { readSnapshot } from './snapshot.js'
import { createTrainer } from './trainer.js'
import type { SavedTrainer, Trainer } from './trainer-types.js'

/** What a training came to. */
export type Stylegan2TrainingResult = TrainingResult

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
  const install = [installTrainingKernels, installSecondOrderGradients]
  return withTrainingBackend(resolved.backend, install, options.onProgress, async backend => {
    const source = await resolved.images()
    await source.check?.(resolved.trainer.generator.resolution)
    return train(resolved, source, backend, options)
  })
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

const train = (
  config: ResolvedTraining,
  source: ImageSource,
  backend: PreparedBackend,
  options: TrainingRunOptions,
): Promise<TrainingResult> => {
  const { out, frechet, mirror, totalImages, every } = config
  const { batchSize, seed, generator } = config.trainer
  const evaluator = createEvaluator(config, source)
  return runTraining<SavedTrainer['state'], Trainer>({
    kind: 'stylegan2',
    out,
    batchSize,
    totalImages,
    every,
    frechet: frechet ? { features: frechet.extractor.name, images: frechet.images } : undefined,
    fingerprint: fingerprintOf({ ...config.trainer, mirror, images: source.id }),
    backend,
    options,
    read: readSnapshot,
    open: async saved =>
      createTrainer(config.trainer, saved, saved ? undefined : await initialWeights(config, options)),
    batchAt: batchesOf(source, { seed, batchSize, resolution: generator.resolution, mirror }),
    evaluate: (trainer, images) =>
      trainer.withAverage(async averaged => {
        await evaluator.grid(averaged, images)
        if (images > 0) await writeNetwork(join(out, trainingFiles.network(images)), averaged)
        return evaluator.frechet(averaged)
      }),
    shown: ({ generatorLoss, discriminatorLoss, augmentation }) => ({
      G: generatorLoss,
      D: discriminatorLoss,
      ...(augmentation !== undefined && { p: augmentation }),
    }),
  })
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
