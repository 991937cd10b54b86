import { type Checkpoint, openCheckpoint } from '@fx/weights'
import { openLocation } from '../network/open.js'
import { readStylegan2 } from './checkpoints.js'
import type { GeneratorWeights } from './checkpoints-safetensors.js'
import type { Edit } from './edits/edit.js'
import { parseEdits } from './edits/file.js'

/**
 * Where a generator comes from: a path, an `http:`, `https:` or `file:` address (in Node; downloads are cached), a file's
 * bytes, an open checkpoint, or a generator in memory.
 */
export type GeneratorSource = string | URL | Uint8Array | Checkpoint | GeneratorWeights

/** @throws FxError those of `openCheckpoint` and `readStylegan2`; `unsupported` for a path outside of Node. */
export const openGenerator = async (
  source: GeneratorSource,
  network: string | undefined,
): Promise<GeneratorWeights> => {
  if (typeof source === 'object' && 'weights' in source) return source
  const read = async (checkpoint: Checkpoint) =>
    (await readStylegan2(checkpoint, network === undefined ? {} : { network })).generator
  if (typeof source === 'object' && 'tensors' in source) return read(source)
  const opened = await (source instanceof Uint8Array ? openCheckpoint(source) : openLocation(source))
  try {
    return await read(opened)
  } finally {
    await opened.close()
  }
}

/** Edits in memory, or a file that `encodeEdits` made: its path, address or bytes. */
export type EditSource = readonly Edit[] | string | URL | Uint8Array

/** @throws FxError those of `openCheckpoint` and `parseEdits`; `unsupported` for a path outside of Node. */
export const openEdits = async (source: EditSource): Promise<readonly Edit[]> => {
  if (source instanceof Uint8Array) return parseEdits(source)
  if (typeof source !== 'string' && !(source instanceof URL)) return source
  const opened = await openLocation(source)
  try {
    return await parseEdits(opened)
  } finally {
    await opened.close()
  }
}
