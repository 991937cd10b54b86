import * as z from 'zod'
import { readTrainingSnapshot, type TrainingSnapshot, writeTrainingSnapshot } from '../../training/snapshot.js'
import type { SavedImagenTrainer } from './trainer-types.js'

/** A training of a stage at rest. */
export type ImagenSnapshot = TrainingSnapshot<SavedImagenTrainer['state']>

const state = z.object({ step: z.int().min(0), optimizerSteps: z.record(z.string(), z.int().min(0)) })

/**
 * Writes a snapshot, whole or not at all: the UNet's arrays (`unet.` and diffusers' names), those of Adam (`adam/m/0`,
 * ...) and of the average; the rest is JSON in the metadata.
 *
 * @throws FxError `write-failed`.
 */
export const writeImagenSnapshot = (path: string, snapshot: ImagenSnapshot): Promise<void> =>
  writeTrainingSnapshot(path, snapshot)

/**
 * Reads a snapshot; undefined when there is none.
 *
 * @throws FxError `corrupt-file` or `newer-version`.
 */
export const readImagenSnapshot = (path: string): Promise<ImagenSnapshot | undefined> =>
  readTrainingSnapshot(path, state)
