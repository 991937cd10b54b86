import { join } from 'node:path'
import type { PreparedBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import type { TeacherTraining, TrainingRunOptions } from '../../contract/training.js'
import { fingerprintOf } from '../../training/fingerprint.js'
import { trainingFiles } from '../../training/folder.js'
import { batchesOf, type ImageSource } from '../../training/image-source.js'
import { runTraining, type TrainingResult } from '../../training/loop.js'
import { withTrainingBackend } from '../../training/session.js'
import { captionEmbedder, type TextEncoder } from './captions.js'
import { type ImagenTrainingConfig, type ResolvedImagenTraining, resolveImagenTraining } from './config.js'
import { createEvaluator, writeNetwork } from './outputs.js'
import { readImagenSnapshot } from './snapshot.js'
import { createImagenTrainer } from './trainer.js'
import type { ImagenTrainer, SavedImagenTrainer } from './trainer-types.js'

/** What a training came to. */
export type ImagenTrainingResult = TrainingResult

/**
 * Trains one stage of a cascade and writes its folder: `snapshot.safetensors` to go on from, `network-<kimg>.safetensors`
 * of the averaged weights, `grid-<kimg>.png`, `log.jsonl`, `frechet.csv` and `training.json`. Everything random derives
 * from the seed and the step: a training that was killed and started again ends, on cpu and wasm, in the very weights of an
 * unbroken one.
 *
 * Source: Saharia et al., "Photorealistic text-to-image diffusion models with deep language understanding", NeurIPS 2022.
 *
 * @throws FxError `invalid-argument`, `backend-unavailable`, `missing-package`; `resume-mismatch` naming what differs from
 *   the config the folder was begun with; `aborted` once the snapshot is written after the signal; `not-finite`;
 *   `shape-mismatch` for images or embeddings of another size; `write-failed`, with the snapshot before intact.
 */
export const trainImagen = async (
  config: ImagenTrainingConfig,
  options: TrainingRunOptions = {},
): Promise<ImagenTrainingResult> => {
  const resolved = resolveImagenTraining({ ...config, out: options.out ?? config.out })
  return withTrainingBackend(resolved.backend, [installTrainingKernels], options.onProgress, async backend => {
    const source = await resolved.images()
    await source.check?.(resolved.trainer.stage.resolution)
    const { text } = resolved
    if (typeof text !== 'function') return train(resolved, source, text, backend, options)
    const opened = await text()
    try {
      return await train(resolved, source, opened, backend, options)
    } finally {
      opened.dispose()
    }
  })
}

/**
 * A training as `fx teacher train imagen --config <file>` runs it: the default export of a config file.
 *
 * @throws FxError `invalid-argument` naming every member that is wrong or unknown.
 */
export const defineImagenTraining = (config: ImagenTrainingConfig): TeacherTraining => {
  const { out } = resolveImagenTraining(config)
  return {
    specificationVersion: 'v1',
    kind: 'imagen',
    out,
    run: async options => {
      await trainImagen(config, options)
    },
  }
}

const train = (
  config: ResolvedImagenTraining,
  source: ImageSource,
  encoder: TextEncoder,
  backend: PreparedBackend,
  options: TrainingRunOptions,
): Promise<TrainingResult> => {
  const { out, frechet, mirror, totalImages, every, trainer } = config
  const { batchSize, seed, stage, unet } = trainer
  const text = captionEmbedder(encoder, unet.encoderHidDim)
  const evaluator = createEvaluator(config, source, text)
  return runTraining<SavedImagenTrainer['state'], ImagenTrainer>({
    kind: 'imagen',
    out,
    batchSize,
    totalImages,
    every,
    frechet: frechet ? { features: frechet.extractor.name, images: frechet.images } : undefined,
    fingerprint: fingerprintOf({ ...trainer, mirror, images: source.id, text: encoder.id }),
    backend,
    options,
    read: readImagenSnapshot,
    open: saved => createImagenTrainer(trainer, text, saved),
    batchAt: batchesOf(source, { seed, batchSize, resolution: stage.resolution, mirror }),
    evaluate: (trained, images) =>
      trained.withAverage(async averaged => {
        await evaluator.grid(averaged, images)
        if (images > 0) await writeNetwork(join(out, trainingFiles.network(images)), averaged, config, encoder.id)
        return evaluator.frechet(averaged)
      }),
    shown: ({ loss, learningRate }) => ({ loss, rate: learningRate }),
  })
}
