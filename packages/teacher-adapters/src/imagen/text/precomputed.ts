import { FxError, listed } from '@fx/core'
import { type Checkpoint, loadFloat32, type WeightTensor } from '@fx/weights'
import * as tf from '@tensorflow/tfjs-core'
import * as z from 'zod'
import { beside, type FileLocation, readJsonFile } from '../../network/files.js'
import { openLocation } from '../../network/open.js'
import type { TextEncoder } from './text-encoder.js'

/** Embeddings of one prompt in memory: `[L, D]` or `[1, L, D]`, row-major. */
export interface PromptEmbedding {
  shape: readonly number[]
  data: Float32Array
}

export interface PrecomputedEmbeddingsOptions {
  /** Where the manifest lies: a path, or a `file:` or web address (in Node). */
  manifest?: FileLocation
  /** Or the embeddings themselves, by prompt. */
  embeddings?: ReadonlyMap<string, PromptEmbedding>
  /** What made them, for instance `google/t5-v1_1-xxl`: the encoder's `id`. Default: what the manifest says. */
  encoder?: string
}

const manifestSchema = z.strictObject({
  encoder: z.string().min(1),
  embeddings: z.record(z.string(), z.strictObject({ file: z.string(), tensor: z.string().optional() })),
})

/** A file beside the manifest or below: a hostile manifest must not lead out of its folder. */
const FILE_NAME = /^(?:[\w-][\w. -]*\/)*[\w-][\w. -]*$/

/** Something that can be loaded more than once. */
interface Source {
  shape: readonly number[]
  load(): Promise<Float32Array>
}

const sizeOf = (prompt: string, shape: readonly number[]): readonly [length: number, width: number] => {
  const [length, width] = shape.length === 3 && shape[0] === 1 ? shape.slice(1) : shape
  if (shape.length === 3 ? shape[0] === 1 : shape.length === 2) {
    if (length! > 0 && width! > 0) return [length!, width!]
  }
  throw new FxError(
    'shape-mismatch',
    `The embeddings of '${prompt}' must be [L, D] or [1, L, D], got [${shape.join(', ')}]`,
    { details: { prompt, shape } },
  )
}

const inMemory = (embeddings: ReadonlyMap<string, PromptEmbedding>): Map<string, Source> =>
  new Map(
    [...embeddings].map(([prompt, { shape, data }]) => {
      const count = shape.reduce((a, b) => a * b, 1)
      if (data.length === count) return [prompt, { shape, load: async () => data }]
      throw new FxError(
        'shape-mismatch',
        `The embeddings of '${prompt}' of shape [${shape.join(', ')}] have ${data.length} values`,
        { details: { prompt, shape } },
      )
    }),
  )

const tensorOf = ({ tensors }: Checkpoint, location: FileLocation, name: string | undefined): WeightTensor => {
  const only = tensors.size === 1 ? [...tensors.values()][0] : undefined
  const tensor = name === undefined ? only : tensors.get(name)
  if (tensor) return tensor
  const known = listed([...tensors.keys()].slice(0, 10))
  const problem = name === undefined ? `${tensors.size} tensors; say which` : `no tensor '${name}'`
  throw new FxError('not-found', `${location} has ${problem}. It has ${known}`)
}

const opened = async <T>(location: FileLocation, act: (checkpoint: Checkpoint) => Promise<T>): Promise<T> => {
  const checkpoint = await openLocation(location)
  try {
    return await act(checkpoint)
  } finally {
    await checkpoint.close()
  }
}

const onDisk = async (manifest: FileLocation): Promise<{ encoder: string; sources: Map<string, Source> }> => {
  const json = await readJsonFile(manifest)
  if (json === undefined) throw new FxError('not-found', `There is no ${manifest}`, { details: { manifest } })
  const parsed = manifestSchema.safeParse(json)
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'all'}: ${message}`)
    throw new FxError('corrupt-file', `${manifest} is no manifest of embeddings: ${issues.slice(0, 3).join('; ')}`)
  }
  const byFile = new Map<string, { prompt: string; name: string | undefined }[]>()
  for (const [prompt, { file, tensor: name }] of Object.entries(parsed.data.embeddings)) {
    if (!FILE_NAME.test(file)) {
      throw new FxError('corrupt-file', `${manifest} names ${JSON.stringify(file)}, which is no file beside it`)
    }
    byFile.set(file, [...(byFile.get(file) ?? []), { prompt, name }])
  }
  const sources = new Map<string, Source>()
  for (const [file, prompts] of byFile) {
    const location = beside(manifest, file)
    await opened(location, async checkpoint => {
      for (const { prompt, name } of prompts) {
        const { shape } = tensorOf(checkpoint, location, name)
        // Opened anew each time: prompts may span thousands of files.
        const load = () => opened(location, again => loadFloat32(tensorOf(again, location, name)))
        sources.set(prompt, { shape, load })
      }
    })
  }
  return { encoder: parsed.data.encoder, sources }
}

/**
 * A text encoder that looks prompts up: for embeddings that were computed elsewhere, such as those of T5-XXL, whose 4.7
 * billion weights no browser holds. The manifest is JSON,
 *
 *     { "encoder": "google/t5-v1_1-xxl",
 *       "embeddings": { "a portrait": { "file": "portrait.npy" }, "": { "file": "all.safetensors", "tensor": "empty" } } }
 *
 * and names files beside it: NumPy's `.npy` or safetensors, in float16, float32 or float64, each array `[L, D]` or
 * `[1, L, D]`, all of one size. A tensor's name may be left out where it is the only one. The empty prompt stands for no
 * prompt in classifier-free guidance. Shapes are checked at once, values are read when a prompt is first asked for.
 *
 * @throws FxError `invalid-argument` for neither or both sources or no encoder's name; `not-found` for a missing file or
 *   tensor, `corrupt-file` for damaged ones, `shape-mismatch` for arrays that do not go together. `encode` throws
 *   `not-found` for a prompt without embeddings.
 */
export const precomputedEmbeddings = async ({
  manifest,
  embeddings,
  encoder,
}: PrecomputedEmbeddingsOptions): Promise<TextEncoder> => {
  if ((manifest === undefined) === (embeddings === undefined)) {
    throw new FxError('invalid-argument', 'precomputedEmbeddings needs either a manifest or embeddings')
  }
  const read = manifest === undefined ? { encoder: undefined, sources: inMemory(embeddings!) } : await onDisk(manifest)
  const { sources } = read
  const id = encoder ?? read.encoder
  if (!id) throw new FxError('invalid-argument', 'precomputedEmbeddings needs the name of the encoder that made them')
  const [first] = sources
  if (!first) throw new FxError('invalid-argument', 'precomputedEmbeddings needs the embeddings of one prompt at least')
  const [length, width] = sizeOf(first[0], first[1].shape)
  const checked = (prompt: string, shape: readonly number[], count: number): void => {
    const [l, d] = sizeOf(prompt, shape)
    if (l === length && d === width && count === length * width) return
    throw new FxError(
      'shape-mismatch',
      `The embeddings of '${prompt}' are [${l}, ${d}], those of '${first[0]}' [${length}, ${width}]; all must be of one size`,
      { details: { prompt, shape } },
    )
  }
  for (const [prompt, { shape }] of sources) checked(prompt, shape, length * width)

  let disposed = false
  return {
    id,
    async encode(prompts) {
      if (disposed) throw new FxError('invalid-argument', 'This text encoder was disposed of')
      if (prompts.length === 0) throw new FxError('invalid-argument', 'There are no prompts to encode')
      const missing = prompts.find(prompt => !sources.has(prompt))
      if (missing !== undefined) {
        const known = [...sources.keys()].slice(0, 5)
        throw new FxError(
          'not-found',
          `There are no embeddings of '${missing}' among the ${sources.size}: ${listed(known)}${sources.size > known.length ? ' and more' : ''}`,
          { details: { prompt: missing } },
        )
      }
      const values = new Float32Array(prompts.length * length * width)
      for (const [row, prompt] of prompts.entries()) {
        const { shape, load } = sources.get(prompt)!
        const data = await load()
        // The file may be another by now.
        checked(prompt, shape, data.length)
        values.set(data, row * length * width)
      }
      return tf.tensor3d(values, [prompts.length, length, width])
    },
    dispose() {
      disposed = true
      sources.clear()
    },
  }
}
