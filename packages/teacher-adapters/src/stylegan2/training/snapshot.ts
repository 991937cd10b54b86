import { FxError } from '@fx/core'
import { loadFloat32 } from '@fx/weights'
import { openCheckpoint, writeSafetensors } from '@fx/weights/node'
import * as z from 'zod'
import type { NamedWeight } from '../../network/weights.js'
import type { Window } from '../../training/log.js'
import type { SavedTrainer } from './trainer-types.js'

/** The version of the snapshot format that this code writes and the newest it reads. */
const FORMAT_VERSION = 1

/** A training at rest. */
export interface Snapshot {
  trainer: SavedTrainer
  /** What decides the weights, by path; absent in a snapshot of a bare trainer. */
  fingerprint?: Record<string, unknown>
  /** Figures since the last line of the log. */
  window?: Window
  /** Wall-clock seconds of the training so far, over all its sessions. */
  seconds: number
}

const numbers = z.record(z.string(), z.number())
const state = z.object({
  formatVersion: z.int().optional(),
  step: z.int().min(0),
  meanPathLength: z.number(),
  optimizerSteps: z.record(z.string(), z.int().min(0)),
  augmentation: z.object({ p: z.number(), signs: z.number(), steps: z.int() }).optional(),
  fingerprint: z.record(z.string(), z.unknown()).optional(),
  window: z.object({ steps: z.int(), seconds: z.number(), sums: numbers, counts: numbers }).optional(),
  seconds: z.number().optional(),
})

/**
 * Writes a snapshot, whole or not at all; the one before it stays until this one is complete. The tensors are those of
 * both networks (`G.` and `D.` with ADA's names) and of the optimisers and the average (`G/m/0`, ...); the rest is JSON in
 * the metadata.
 *
 * @throws FxError `write-failed`.
 */
export const writeSnapshot = (path: string, { trainer, ...rest }: Snapshot): Promise<void> =>
  writeSafetensors(path, trainer.tensors, {
    state: JSON.stringify({ formatVersion: FORMAT_VERSION, ...trainer.state, ...rest }),
  })

/**
 * Reads a snapshot; undefined when there is none.
 *
 * @throws FxError `corrupt-file` or `newer-version`.
 */
export const readSnapshot = async (path: string): Promise<Snapshot | undefined> => {
  const checkpoint = await openCheckpoint(path).catch(error => {
    if (FxError.isInstance(error, 'not-found')) return undefined
    throw error
  })
  if (!checkpoint) return undefined
  try {
    const parsed = state.safeParse(parsedJson(checkpoint.metadata.state))
    if (!parsed.success) {
      throw new FxError('corrupt-file', `${path} is not the snapshot of a training; move it away or start over`, {
        details: { path, issues: parsed.error.issues },
      })
    }
    const { fingerprint, window, seconds = 0, formatVersion = FORMAT_VERSION, ...rest } = parsed.data
    if (formatVersion > FORMAT_VERSION) {
      throw new FxError(
        'newer-version',
        `${path} has format version ${formatVersion}; this code reads up to ${FORMAT_VERSION}`,
      )
    }
    const tensors = new Map<string, NamedWeight>()
    for (const [name, tensor] of checkpoint.tensors) {
      tensors.set(name, { shape: tensor.shape, data: await loadFloat32(tensor) })
    }
    return { trainer: { state: rest, tensors }, fingerprint, window, seconds }
  } finally {
    await checkpoint.close()
  }
}

const parsedJson = (text: unknown): unknown => {
  try {
    return JSON.parse(String(text))
  } catch {
    return undefined
  }
}
