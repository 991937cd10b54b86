import { canonicalJson, FxError } from '@fx/core'
import { type Checkpoint, encodeSafetensors, loadFloat32 } from '@fx/weights'
import { beside, readJsonFile } from '../../network/files.js'
import type { NamedWeight, NamedWeights } from '../../network/weights.js'
import { encodeT5Config, parseT5Config, resolveT5Config, type T5Config } from './t5-config.js'

/** A T5 encoder at rest. */
export interface T5Weights {
  config: T5Config
  weights: NamedWeights
  /** Tokens of every text; `undefined` when the file does not say. */
  length?: number | undefined
}

const keys = { config: 'imagen.t5', length: 'imagen.textLength' } as const

export interface EncodeT5Options {
  /** How elements are stored. `float16` halves the file; each value keeps eleven bits. Default `float32`. */
  dtype?: 'float32' | 'float16'
  /** More of the file's metadata: licence, training. Keys beginning with `imagen.` are taken. */
  metadata?: Readonly<Record<string, string>>
}

/**
 * A T5 encoder as the bytes of one safetensors file: the arrays under transformers' names, and in the metadata its
 * `config.json` (`imagen.t5`) and the length of its texts (`imagen.textLength`). Equal encoders give equal bytes.
 *
 * @throws FxError `invalid-argument` for metadata under a key that is taken, and those of `encodeSafetensors`.
 */
export const encodeT5 = (
  { config, weights, length }: T5Weights,
  { dtype = 'float32', metadata = {} }: EncodeT5Options = {},
): Uint8Array => {
  const taken = Object.keys(metadata).find(key => key.startsWith('imagen.'))
  if (taken !== undefined) {
    throw new FxError('invalid-argument', `imagen: the metadata key '${taken}' is taken; choose another name`)
  }
  return encodeSafetensors(
    [...weights].map(([name, weight]) => [name, { ...weight, dtype }] as const),
    {
      ...metadata,
      [keys.config]: canonicalJson(encodeT5Config(resolveT5Config(config))),
      ...(length !== undefined && { [keys.length]: `${length}` }),
    },
  )
}

/** Where transformers writes the embeddings, tied under a second name. */
const EMBEDDINGS = ['shared.weight', 'encoder.embed_tokens.weight'] as const

/**
 * Reads the encoder out of a T5 v1.1: a file of `encodeT5`, or transformers' `model.safetensors` or `pytorch_model.bin`,
 * whose decoder is left unread.
 *
 * @param location where the checkpoint lies, for the `config.json` beside it when the file itself has no config.
 * @throws FxError `not-found` when neither has a config, `corrupt-file`, `unsupported` for another network.
 */
export const readT5 = async (
  { tensors, metadata }: Checkpoint,
  { config: given, location }: { config?: T5Config | undefined; location?: string | URL | undefined } = {},
): Promise<T5Weights> => {
  const config = given ?? (await configOf(metadata[keys.config], location))
  const weights = new Map<string, NamedWeight>()
  const embeddings = EMBEDDINGS.find(name => tensors.has(name))
  for (const [name, tensor] of tensors) {
    const isEmbedding = (EMBEDDINGS as readonly string[]).includes(name)
    if (isEmbedding ? name !== embeddings : !name.startsWith('encoder.')) continue
    const weight = { shape: tensor.shape, data: await loadFloat32(tensor) }
    weights.set(isEmbedding ? EMBEDDINGS[0] : name, weight)
  }
  return { config, weights, length: lengthOf(metadata[keys.length]) }
}

const configOf = async (text: unknown, location: string | URL | undefined): Promise<T5Config> => {
  if (text !== undefined) {
    try {
      return parseT5Config(JSON.parse(String(text)))
    } catch (cause) {
      if (FxError.isInstance(cause)) throw cause
      throw new FxError('corrupt-file', `imagen: the file's '${keys.config}' is no JSON: ${text}`, { cause })
    }
  }
  const json = location === undefined ? undefined : await readJsonFile(beside(location, 'config.json'))
  if (json !== undefined) return parseT5Config(json)
  throw new FxError(
    'not-found',
    `imagen: the T5 has no config: neither '${keys.config}' in its metadata${location === undefined ? '' : ` nor a config.json beside ${location}`}; give config`,
  )
}

const lengthOf = (text: unknown): number | undefined => {
  if (text === undefined) return undefined
  const length = Number(text)
  if (Number.isInteger(length) && length > 0) return length
  throw new FxError('corrupt-file', `imagen: the file's '${keys.length}' is '${text}', not a number of tokens`)
}
