import { FxError } from '@fx/core'
import * as z from 'zod'

/** The encoder of T5 v1.1. The names are those of transformers' `T5Config`. */
export interface T5Config {
  vocabSize: number
  /** Width of the embeddings. */
  dModel: number
  numLayers: number
  numHeads: number
  /** Channels of an attention head. Default `dModel / numHeads`. */
  dKv?: number
  /** Hidden units of the feed-forward layers. */
  dFf: number
  /** Default 32. */
  relativeAttentionNumBuckets?: number
  /** Distances from this on share a bucket. Default 128. */
  relativeAttentionMaxDistance?: number
  /** Default 1e-6. */
  layerNormEpsilon?: number
  /** Default 0. */
  padTokenId?: number
}

const count = z.int().min(1).max(1_000_000)

const published = z.object({
  vocab_size: count,
  d_model: count,
  num_layers: count,
  num_heads: count,
  d_kv: count,
  d_ff: count,
  feed_forward_proj: z.literal('gated-gelu'),
  relative_attention_num_buckets: count.default(32),
  relative_attention_max_distance: count.default(128),
  layer_norm_epsilon: z.number().positive().default(1e-6),
  pad_token_id: z.int().min(0).default(0),
})

/**
 * Reads the `config.json` of a T5 v1.1.
 *
 * @throws FxError `unsupported`, naming every field of another network, such as the first T5's `relu`.
 */
export const parseT5Config = (json: unknown): Required<T5Config> => {
  const parsed = published.safeParse(json)
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'config'}: ${message}`)
    throw new FxError('unsupported', `imagen: this is not the config of a T5 v1.1. ${issues.slice(0, 5).join('; ')}`, {
      details: { issues },
    })
  }
  const c = parsed.data
  return resolveT5Config({
    vocabSize: c.vocab_size,
    dModel: c.d_model,
    numLayers: c.num_layers,
    numHeads: c.num_heads,
    dKv: c.d_kv,
    dFf: c.d_ff,
    relativeAttentionNumBuckets: c.relative_attention_num_buckets,
    relativeAttentionMaxDistance: c.relative_attention_max_distance,
    layerNormEpsilon: c.layer_norm_epsilon,
    padTokenId: c.pad_token_id,
  })
}

/** The config as transformers writes it. */
export const encodeT5Config = (config: T5Config): Record<string, unknown> => {
  const c = resolveT5Config(config)
  return {
    architectures: ['T5EncoderModel'],
    model_type: 't5',
    feed_forward_proj: 'gated-gelu',
    vocab_size: c.vocabSize,
    d_model: c.dModel,
    num_layers: c.numLayers,
    num_heads: c.numHeads,
    d_kv: c.dKv,
    d_ff: c.dFf,
    relative_attention_num_buckets: c.relativeAttentionNumBuckets,
    relative_attention_max_distance: c.relativeAttentionMaxDistance,
    layer_norm_epsilon: c.layerNormEpsilon,
    pad_token_id: c.padTokenId,
  }
}

/**
 * A config with its defaults.
 *
 * @throws FxError `invalid-argument` for sizes that are none or do not fit together.
 */
export const resolveT5Config = (config: T5Config): Required<T5Config> => {
  const resolved = {
    dKv: config.dModel / config.numHeads,
    relativeAttentionNumBuckets: 32,
    relativeAttentionMaxDistance: 128,
    layerNormEpsilon: 1e-6,
    padTokenId: 0,
    ...config,
  }
  const { layerNormEpsilon, padTokenId, ...sizes } = resolved
  const wrong = Object.entries(sizes).find(([, size]) => !Number.isInteger(size) || size < 1)
  if (wrong) {
    throw new FxError('invalid-argument', `imagen: the T5's ${wrong[0]} must be a positive integer, got ${wrong[1]}`)
  }
  const { relativeAttentionNumBuckets: buckets, relativeAttentionMaxDistance: far } = sizes
  // A quarter of the buckets are single distances on one side; the rest reach from there to the farthest.
  if (buckets % 4 !== 0 || far <= buckets / 4) {
    throw new FxError(
      'invalid-argument',
      `imagen: the T5's relativeAttentionNumBuckets must be a multiple of 4 and its quarter below relativeAttentionMaxDistance, got ${buckets} and ${far}`,
    )
  }
  if (!(layerNormEpsilon > 0)) {
    throw new FxError('invalid-argument', `imagen: the T5's layerNormEpsilon must be positive, got ${layerNormEpsilon}`)
  }
  if (!Number.isInteger(padTokenId) || padTokenId < 0 || padTokenId >= sizes.vocabSize) {
    throw new FxError(
      'invalid-argument',
      `imagen: the T5's padTokenId must be one of ${sizes.vocabSize} ids, got ${padTokenId}`,
    )
  }
  return resolved
}
