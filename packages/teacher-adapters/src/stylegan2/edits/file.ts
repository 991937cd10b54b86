import { FxError } from '@fx/core'
import { type Checkpoint, encodeSafetensors, loadFloat32, openCheckpoint, type WritableTensor } from '@fx/weights'
import * as z from 'zod/mini'
import en from 'zod/v4/locales/en.js'
import { type DirectionEdit, type DirectionOptions, directionEdit, type StyleVectors } from './direction.js'

const FORMAT = 'fx-latent-edits'
const VERSION = 1

/** What stands in the file's metadata for each edit; the vectors are its tensors. */
type EditRecord = Pick<DirectionEdit, 'id' | 'space' | 'strength' | 'layers'> & {
  level?: { intercept: number; score: number }
}

const records = z.array(
  z.object({
    id: z.string(),
    space: z.enum(['w', 'w+', 'styles']),
    strength: z.object({ min: z.number(), max: z.number(), default: z.number() }),
    layers: z.optional(z.object({ from: z.number(), to: z.number() })),
    level: z.optional(z.object({ intercept: z.number(), score: z.number() })),
  }),
)

const tensorsOf = (name: string, vectors: Float32Array | StyleVectors): [string, WritableTensor][] =>
  vectors instanceof Float32Array
    ? [[name, { shape: [vectors.length], data: vectors }]]
    : Object.entries(vectors).map(([layer, data]) => [`${name}/${layer}`, { shape: [data.length], data }])

/**
 * Edits as the bytes of a safetensors file: the vectors are tensors named `<id>/direction` and `<id>/normal` (in
 * StyleSpace followed by `/<layer>`), everything else is JSON in the metadata `edits`. Equal edits give equal bytes.
 *
 * @throws FxError `invalid-argument` when two edits have one id.
 */
export const encodeEdits = (edits: readonly DirectionEdit[]): Uint8Array => {
  const double = edits.find(({ id }, i) => edits.findIndex(other => other.id === id) !== i)
  if (double) throw new FxError('invalid-argument', `Two edits have the id '${double.id}'; ids must differ`)
  const described = edits.map(
    ({ id, space, strength, layers, level }): EditRecord => ({
      id,
      space,
      strength,
      ...(layers && { layers }),
      ...(level && { level: { intercept: level.intercept, score: level.score } }),
    }),
  )
  const tensors = edits.flatMap(({ id, direction, level }) => [
    ...tensorsOf(`${id}/direction`, direction),
    ...(level ? tensorsOf(`${id}/normal`, level.normal) : []),
  ])
  return encodeSafetensors(tensors, { format: FORMAT, version: String(VERSION), edits: JSON.stringify(described) })
}

/**
 * The edits of a file that `encodeEdits` made: its bytes, or the file opened with `openCheckpoint` of `@fx/weights/node`.
 *
 * @throws FxError `corrupt-file`, `newer-version`.
 */
export const parseEdits = async (source: Uint8Array | Checkpoint): Promise<DirectionEdit[]> => {
  const file = source instanceof Uint8Array ? await openCheckpoint(source) : source
  if (file.metadata.format !== FORMAT) throw corrupt(`its metadata lacks format '${FORMAT}'`)
  const version = Number(file.metadata.version)
  if (version > VERSION) {
    throw new FxError(
      'newer-version',
      `The edits have format version ${version}; this code reads up to ${VERSION}. Update @fx/teacher-adapters.`,
      { details: { version, supported: VERSION } },
    )
  }
  const edits: DirectionEdit[] = []
  for (const { level, ...record } of parseRecords(file.metadata.edits)) {
    const options = {
      ...record,
      direction: await vectorsOf(file, `${record.id}/direction`, record.space),
      ...(level && { level: { ...level, normal: await vectorsOf(file, `${record.id}/normal`, record.space) } }),
    }
    try {
      edits.push(directionEdit(options as DirectionOptions))
    } catch (cause) {
      throw corrupt((cause as Error).message, cause)
    }
  }
  return edits
}

const corrupt = (problem: string, cause?: unknown): FxError =>
  new FxError('corrupt-file', `Not a file of latent edits: ${problem}`, { cause })

const parseRecords = (text: unknown): EditRecord[] => {
  let value: unknown
  try {
    value = JSON.parse(String(text))
  } catch (cause) {
    throw corrupt("its metadata 'edits' is not JSON", cause)
  }
  const result = records.safeParse(value, { error: en().localeError })
  if (!result.success) throw corrupt(z.prettifyError(result.error))
  return result.data as EditRecord[]
}

const vectorsOf = async (
  { tensors }: Checkpoint,
  name: string,
  space: DirectionEdit['space'],
): Promise<Float32Array | StyleVectors> => {
  const load = async (key: string): Promise<Float32Array> => {
    const tensor = tensors.get(key)
    if (!tensor) throw corrupt(`the tensor '${key}' is missing`)
    return loadFloat32(tensor)
  }
  if (space !== 'styles') return load(name)
  const keys = [...tensors.keys()].filter(key => key.startsWith(`${name}/`))
  const entries = keys.map(async key => [key.slice(name.length + 1), await load(key)])
  return Object.fromEntries(await Promise.all(entries)) as StyleVectors
}
