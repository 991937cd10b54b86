import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { FxError } from '@fx/core'
import { writeFileAtomic } from '@fx/core/node'

/** The version of the checkpoint format that this code writes and the newest it reads. */
const FORMAT_VERSION = 1

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

export interface Checkpoint<State> {
  /** Plain JSON. */
  state: State
  tensors: Record<string, Float32Array>
}

/**
 * Writes a checkpoint as one safetensors file, whole or not at all; one before it stays until the new one is complete.
 * The state and a checksum of the data are in the file's metadata.
 *
 * @throws FxError `write-failed`.
 */
export const writeCheckpoint = async <State>(path: string, { state, tensors }: Checkpoint<State>): Promise<void> => {
  const header: Record<string, unknown> = {}
  let length = 0
  for (const [name, values] of Object.entries(tensors)) {
    header[name] = { dtype: 'F32', shape: [values.length], data_offsets: [length, length + values.byteLength] }
    length += values.byteLength
  }
  const data = new Uint8Array(length)
  let offset = 0
  for (const values of Object.values(tensors)) {
    data.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset)
    offset += values.byteLength
  }
  header.__metadata__ = {
    format: `fx-checkpoint-${FORMAT_VERSION}`,
    sha256: sha256(data),
    state: JSON.stringify(state),
  }
  // Padded with spaces so that the data starts at a multiple of 8, as the format asks.
  const text = new TextEncoder().encode(JSON.stringify(header))
  const padded = Math.ceil(text.length / 8) * 8
  const file = new Uint8Array(8 + padded + length).fill(32, 8, 8 + padded)
  new DataView(file.buffer).setBigUint64(0, BigInt(padded), true)
  file.set(text, 8)
  file.set(data, 8 + padded)
  await writeFileAtomic(path, file)
}

/**
 * Reads a checkpoint; undefined when there is none.
 *
 * @throws FxError `corrupt-file`, `checksum-mismatch` or `newer-version`.
 */
export const readCheckpoint = async <State>(path: string): Promise<Checkpoint<State> | undefined> => {
  const file = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new FxError('corrupt-file', `Cannot read the checkpoint ${path}: ${error.message}`, { cause: error })
  })
  if (!file) return undefined
  const corrupt = (why: string): FxError =>
    new FxError('corrupt-file', `${path} is not a checkpoint (${why}); --fresh starts over without it`, {
      details: { path },
    })
  if (file.length < 8) throw corrupt('it is too short')
  const size = Number(file.readBigUInt64LE(0))
  if (size > file.length - 8) throw corrupt('it is truncated')
  let header: Record<string, { data_offsets: [number, number] }> & { __metadata__?: Record<string, string> }
  try {
    header = JSON.parse(file.toString('utf8', 8, 8 + size))
  } catch {
    throw corrupt('its header is not JSON')
  }
  const { __metadata__: metadata, ...entries } = header
  const version = /^fx-checkpoint-(\d+)$/.exec(metadata?.format ?? '')?.[1]
  if (!metadata || version === undefined) throw corrupt('it has no fx metadata')
  if (Number(version) > FORMAT_VERSION) {
    throw new FxError('newer-version', `${path} has format version ${version}; this code reads up to ${FORMAT_VERSION}`)
  }
  // A copy, so that the tensors' offsets are aligned.
  const data = new Uint8Array(file.subarray(8 + size))
  if (sha256(data) !== metadata.sha256) {
    throw new FxError('checksum-mismatch', `${path} is damaged: its checksum differs; --fresh starts over without it`, {
      details: { path },
    })
  }
  const tensors = Object.fromEntries(
    Object.entries(entries).map(
      ([
        name,
        {
          data_offsets: [from, to],
        },
      ]) => [name, new Float32Array(data.buffer, from, (to - from) / 4)],
    ),
  )
  return { state: JSON.parse(metadata.state ?? 'null') as State, tensors }
}
