import { FxError } from '@fx/core'
import { loadFloat32 } from '@fx/weights'
import { openCheckpoint, writeSafetensors } from '@fx/weights/node'
import * as z from 'zod'
import type { NamedWeight } from '../network/weights.js'
import type { Window } from './log.js'

/** The version of the snapshot format that this code writes and the newest it reads. */
const FORMAT_VERSION = 1

/** What a trainer needs to go on: plain JSON, steps done among it, and arrays. */
export interface SavedTraining<State extends { step: number }> {
  state: State
  tensors: ReadonlyMap<string, NamedWeight>
}

/** A training at rest. */
export interface TrainingSnapshot<State extends { step: number }> {
  trainer: SavedTraining<State>
  /** What decides the weights, by path; absent in a snapshot of a bare trainer. */
  fingerprint?: Record<string, unknown>
  /** Figures since the last line of the log. */
  window?: Window
  /** Wall-clock seconds of the training so far, over all its sessions. */
  seconds: number
}

const numbers = z.record(z.string(), z.number())
const around = z.object({
  formatVersion: z.int().default(FORMAT_VERSION),
  fingerprint: z.record(z.string(), z.unknown()).optional(),
  window: z.object({ steps: z.int(), seconds: z.number(), sums: numbers, counts: numbers }).optional(),
  seconds: z.number().default(0),
})

/**
 * Writes a snapshot, whole or not at all; the one before it stays until this one is complete. The tensors are arrays of
 * the file, the rest is JSON in its metadata.
 *
 * @throws FxError `write-failed`.
 */
export const writeTrainingSnapshot = <State extends { step: number }>(
  path: string,
  { trainer, ...rest }: TrainingSnapshot<State>,
): Promise<void> =>
  writeSafetensors(path, trainer.tensors, {
    state: JSON.stringify({ formatVersion: FORMAT_VERSION, ...trainer.state, ...rest }),
  })

/**
 * Reads a snapshot; undefined when there is none.
 *
 * @param state what the trainer's own part must be.
 * @throws FxError `corrupt-file` or `newer-version`.
 */
export const readTrainingSnapshot = async <State extends { step: number }>(
  path: string,
  state: z.ZodType<State>,
): Promise<TrainingSnapshot<State> | undefined> => {
  const checkpoint = await openCheckpoint(path).catch(error => {
    if (FxError.isInstance(error, 'not-found')) return undefined
    throw error
  })
  if (!checkpoint) return undefined
  try {
    const json = parsedJson(checkpoint.metadata.state)
    const [outer, own] = [around.safeParse(json), state.safeParse(json)]
    if (!outer.success || !own.success) {
      throw new FxError('corrupt-file', `${path} is not the snapshot of a training; move it away or start over`, {
        details: { path, issues: [...(outer.error?.issues ?? []), ...(own.error?.issues ?? [])] },
      })
    }
    const { formatVersion, ...rest } = outer.data
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
    return { trainer: { state: own.data, tensors }, ...rest }
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
