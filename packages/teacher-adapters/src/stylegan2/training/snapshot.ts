import * as z from 'zod'
import { readTrainingSnapshot, type TrainingSnapshot, writeTrainingSnapshot } from '../../training/snapshot.js'
import type { SavedTrainer } from './trainer-types.js'

/** A training at rest. */
export type Snapshot = TrainingSnapshot<SavedTrainer['state']>

const state = z.object({
  step: z.int().min(0),
  meanPathLength: z.number(),
  optimizerSteps: z.record(z.string(), z.int().min(0)),
  augmentation: z.object({ p: z.number(), signs: z.number(), steps: z.int() }).optional(),
})

/**
 * Writes a snapshot, whole or not at all; the one before it stays until this one is complete. The tensors are those of
 * both networks (`G.` and `D.` with ADA's names) and of the optimisers and the average (`G/m/0`, ...); the rest is JSON in
 * the metadata.
 *
 * @throws FxError `write-failed`.
 */
export const writeSnapshot = (path: string, snapshot: Snapshot): Promise<void> => writeTrainingSnapshot(path, snapshot)

/**
 * Reads a snapshot; undefined when there is none.
 *
 * @throws FxError `corrupt-file` or `newer-version`.
 */
export const readSnapshot = (path: string): Promise<Snapshot | undefined> => readTrainingSnapshot(path, state)
