import { FxError, hashJson } from '@fx/core'
import { type Checkpoint, openCheckpoint } from '@fx/weights'
import * as tf from '@tensorflow/tfjs-core'
import { type FileLocation, readJsonFile } from '../../network/files.js'
import { openLocation } from '../../network/open.js'
import { hashWeights } from '../../network/weights.js'
import { t5Encoder } from './t5.js'
import { readT5, type T5Weights } from './t5-checkpoint.js'
import type { T5Config } from './t5-config.js'
import { openTokenizer } from './tokenizer.js'

/** A frozen text encoder. */
export interface TextEncoder {
  /** Changes with the encoder: a training goes on only with the one that it began with. */
  readonly id: string
  /**
   * Embeddings `[N, L, D]` of prompts, each padded to the same L; the caller owns them. A prompt's embedding does not
   * depend on the other prompts.
   */
  encode(prompts: readonly string[]): Promise<tf.Tensor3D>
  dispose(): void
}

export interface TextEncoderOptions {
  /**
   * A T5 v1.1: a path or `file:` or web address (in Node) of transformers' `model.safetensors` with its `config.json`
   * beside it or of a file of `encodeT5`, a file's bytes, or an open checkpoint, which stays open.
   */
  checkpoint: FileLocation | Uint8Array | Checkpoint
  /** For a checkpoint that does not tell. */
  config?: T5Config
  /** Its `tokenizer.json`: a location, or its contents. */
  tokenizer: FileLocation | object
  /** Tokens of every text: shorter ones are padded, longer ones cut. Default: what the file says, else IF's 77. */
  length?: number
}

const IF_LENGTH = 77
/** Prompts that are encoded at once. */
const BATCH = 32

const isLocation = (value: unknown): value is FileLocation => typeof value === 'string' || value instanceof URL

const openT5 = async ({ checkpoint, config }: TextEncoderOptions): Promise<T5Weights> => {
  const location = isLocation(checkpoint) ? checkpoint : undefined
  if (!isLocation(checkpoint) && !(checkpoint instanceof Uint8Array)) return readT5(checkpoint, { config })
  const opened = await (isLocation(checkpoint) ? openLocation(checkpoint) : openCheckpoint(checkpoint))
  try {
    return await readT5(opened, { config, location })
  } finally {
    await opened.close()
  }
}

const tokenizerOf = async (tokenizer: FileLocation | object): Promise<object> => {
  if (!isLocation(tokenizer)) return tokenizer
  const json = await readJsonFile(tokenizer)
  if (json === undefined) throw new FxError('not-found', `There is no ${tokenizer}; a text encoder needs its tokenizer`)
  return json as object
}

/**
 * A text encoder of a T5 and its tokenizer, in this process: for sizes up to about T5-large. Embeddings of T5-XXL, with
 * which DeepFloyd IF was trained, are computed elsewhere and read with `precomputedEmbeddings`.
 *
 * Padding is hidden from the T5's tokens, as in training, but not from who reads the embeddings: so it is in Imagen and IF.
 * Needs `@huggingface/tokenizers`.
 *
 * @throws FxError `missing-package`; `not-found`, `corrupt-file`, `unsupported` and `invalid-argument` for files that are
 *   missing, damaged, of another network, or do not fit together. `encode` throws `invalid-argument` without prompts and
 *   after `dispose`.
 */
export const openTextEncoder = async (options: TextEncoderOptions): Promise<TextEncoder> => {
  const json = await tokenizerOf(options.tokenizer)
  const tokenizer = await openTokenizer(json)
  const { config, weights, length: own } = await openT5(options)
  const length = options.length ?? own ?? IF_LENGTH
  if (!Number.isInteger(length) || length < 2) {
    throw new FxError('invalid-argument', `The length of texts must be an integer of 2 or more, got ${length}`)
  }
  const t5 = t5Encoder({ config, weights })
  const end = tokenizer.encode('').at(-1)
  let disposed = false

  const padded = (prompt: string): { ids: number[]; mask: number[] } => {
    const all = tokenizer.encode(prompt)
    // Cut texts end like others.
    const ids = all.length <= length || end === undefined ? all.slice(0, length) : [...all.slice(0, length - 1), end]
    const padding = length - ids.length
    return {
      ids: [...ids, ...new Array<number>(padding).fill(t5.config.padTokenId)],
      mask: [...ids.map(() => 1), ...new Array<number>(padding).fill(0)],
    }
  }

  return {
    id: `t5-${hashJson({ config: t5.config, weights: hashWeights(weights), tokenizer: json, length }).slice(0, 16)}`,
    async encode(prompts) {
      if (disposed) throw new FxError('invalid-argument', 'This text encoder was disposed of')
      if (prompts.length === 0) throw new FxError('invalid-argument', 'There are no prompts to encode')
      const rows = prompts.map(padded)
      return tf.tidy(() => {
        const parts: tf.Tensor3D[] = []
        for (let start = 0; start < rows.length; start += BATCH) {
          const some = rows.slice(start, start + BATCH)
          const ids = some.map(row => row.ids)
          const mask = some.map(row => row.mask)
          parts.push(t5.encode(ids, mask))
        }
        return tf.concat(parts, 0)
      })
    },
    dispose() {
      if (disposed) return
      disposed = true
      t5.dispose()
    },
  }
}
