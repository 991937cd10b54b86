import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { type ParameterSpec, parameter } from '../../network/parameter.js'
import { createStore, type Store } from '../../network/store.js'
import { drawWeights, type NamedWeight, type NamedWeights } from '../../network/weights.js'
import { resolveT5Config, type T5Config } from './t5-config.js'

/** Token ids or mask values, `N` rows of `L`. */
export type TokenRows = readonly (readonly number[])[]

export interface T5Encoder {
  readonly config: Required<T5Config>
  /**
   * The last hidden states `[N, L, dModel]`, after the final norm; the caller's. Differentiable.
   *
   * @param ids N rows of L token ids.
   * @param mask 1 for tokens, 0 for padding, which nothing then attends to. Default: all tokens.
   * @throws FxError `shape-mismatch` for rows of unequal length, `invalid-argument` for ids out of the vocabulary and
   *   masks other than 0 and 1.
   */
  encode(ids: TokenRows, mask?: TokenRows): tf.Tensor3D
  /** What an optimiser may change; empty unless the network is trainable. */
  readonly variables: readonly tf.Variable[]
  /** Copies of the parameters under transformers' names, in PyTorch's layout. */
  weights(): Promise<Map<string, NamedWeight>>
  dispose(): void
}

export interface T5Options {
  config: T5Config
  /** Under transformers' names (`shared.weight`, `encoder.block.0.layer.0.SelfAttention.q.weight`, ...), in PyTorch's layout. */
  weights: NamedWeights
  /** Parameters become variables that an optimiser can change. Default false. */
  trainable?: boolean
}

const block = (index: number) => {
  const at = `encoder.block.${index}.layer`
  return {
    attention: `${at}.0.SelfAttention`,
    norm1: `${at}.0.layer_norm`,
    feed: `${at}.1.DenseReluDense`,
    norm2: `${at}.1.layer_norm`,
  }
}

const POSITIONS = `${block(0).attention}.relative_attention_bias.weight`

/** Every array of the encoder under its transformers name; initial values as in mesh-tensorflow. */
const t5Parameters = (config: Required<T5Config>): ParameterSpec[] => {
  const { vocabSize, dModel, dFf, dKv, numHeads, numLayers, relativeAttentionNumBuckets } = config
  const inner = numHeads * dKv
  const linear = (name: string, inputs: number, outputs: number, std = inputs ** -0.5): ParameterSpec =>
    parameter(`${name}.weight`, [outputs, inputs], { std }, undefined, [1, 0])
  const norm = (name: string): ParameterSpec => parameter(`${name}.weight`, [dModel], { constant: 1 })
  return [
    parameter('shared.weight', [vocabSize, dModel], { std: 1 }),
    parameter(POSITIONS, [relativeAttentionNumBuckets, numHeads], { std: dModel ** -0.5 }),
    ...Array.from({ length: numLayers }, (_, index) => {
      const { attention, norm1, feed, norm2 } = block(index)
      return [
        // The queries' start makes up for the scores' missing scale.
        linear(`${attention}.q`, dModel, inner, (dModel * dKv) ** -0.5),
        linear(`${attention}.k`, dModel, inner),
        linear(`${attention}.v`, dModel, inner),
        linear(`${attention}.o`, inner, dModel),
        norm(norm1),
        linear(`${feed}.wi_0`, dModel, dFf),
        linear(`${feed}.wi_1`, dModel, dFf),
        linear(`${feed}.wo`, dFf, dModel),
        norm(norm2),
      ]
    }).flat(),
    norm('encoder.final_layer_norm'),
  ]
}

/**
 * The bucket of a relative position, key minus query: one each for near ones, logarithmically wider ones up to the
 * farthest, the upper half for keys behind the query.
 */
export const relativePositionBucket = (
  position: number,
  { relativeAttentionNumBuckets, relativeAttentionMaxDistance }: Required<T5Config>,
): number => {
  const half = relativeAttentionNumBuckets / 2
  const exact = half / 2
  const distance = Math.abs(position)
  // Whole powers must not fall short of themselves by rounding, hence float32 as in the reference.
  const far = Math.fround(Math.fround(Math.log(distance / exact)) / Math.log(relativeAttentionMaxDistance / exact))
  const bucket = distance < exact ? distance : Math.min(half - 1, exact + Math.floor(Math.fround(far * (half - exact))))
  return bucket + (position > 0 ? half : 0)
}

const checkedLength = (what: string, rows: TokenRows, expected = rows[0]?.length ?? 0): number => {
  const wrong = rows.find(row => row.length !== expected)
  if (rows.length === 0 || expected === 0 || wrong) {
    throw new FxError(
      'shape-mismatch',
      `imagen: ${what} must be rows of one length, got ${wrong ? `rows of ${expected} and of ${wrong.length}` : 'none'}`,
    )
  }
  return expected
}

/** Cast, since the WebAssembly backend fills a one-hot tensor of another type than int32 with other values. */
const oneHot = (indices: tf.Tensor1D, depth: number): tf.Tensor2D =>
  tf.cast(tf.oneHot(indices, depth) as tf.Tensor2D, 'float32')

/** `x W` over the last axis; T5 has no biases. */
const linear = (store: Store, name: string, x: tf.Tensor3D): tf.Tensor3D => {
  const weight = store.get<tf.Tensor2D>(`${name}.weight`)
  const [n, length, inputs] = x.shape
  return tf.reshape(tf.matMul(tf.reshape(x, [n * length, inputs]), weight), [n, length, weight.shape[1]])
}

/** Scaled to a mean square of 1; not centred (Zhang and Sennrich, 2019). */
const rmsNorm = (store: Store, name: string, x: tf.Tensor3D, epsilon: number): tf.Tensor3D => {
  const scale = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon))
  return tf.mul(tf.mul(x, scale), store.get(`${name}.weight`))
}

/** The GELU of BERT and T5, with a hyperbolic tangent in place of the error function. */
const geluNew = (x: tf.Tensor3D): tf.Tensor3D => {
  const inner = tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, tf.mul(tf.square(x), x))))
  return tf.mul(tf.mul(0.5, x), tf.add(1, tf.tanh(inner)))
}

const selfAttention = (
  store: Store,
  name: string,
  { numHeads, dKv }: Required<T5Config>,
  x: tf.Tensor3D,
  bias: tf.Tensor4D,
): tf.Tensor3D => {
  const [n, length] = x.shape
  const heads = (projection: 'q' | 'k' | 'v'): tf.Tensor4D =>
    tf.transpose(tf.reshape(linear(store, `${name}.${projection}`, x), [n, length, numHeads, dKv]), [0, 2, 1, 3])
  // Not divided by the square root of the width: the weights' initial scale takes care of it.
  const scores = tf.add(tf.matMul(heads('q'), heads('k'), false, true), bias)
  const mixed = tf.transpose(tf.matMul(tf.softmax(scores), heads('v')), [0, 2, 1, 3])
  return linear(store, `${name}.o`, tf.reshape(mixed, [n, length, numHeads * dKv]))
}

const feedForward = (store: Store, name: string, x: tf.Tensor3D): tf.Tensor3D =>
  linear(store, `${name}.wo`, tf.mul(geluNew(linear(store, `${name}.wi_0`, x)), linear(store, `${name}.wi_1`, x)))

/** What is added to the scores: `[1, heads, L, L]` by relative position, and very little where a key is padding. */
const attentionBias = (
  store: Store,
  config: Required<T5Config>,
  length: number,
  mask: TokenRows | undefined,
): tf.Tensor4D => {
  const { numHeads, relativeAttentionNumBuckets: buckets } = config
  // By one-hot rows: their gradient, unlike that of gather, is known to every backend.
  const positions = store.constant(`positions ${length}`, () => {
    const indices = Array.from({ length: length ** 2 }, (_, i) =>
      relativePositionBucket((i % length) - Math.floor(i / length), config),
    )
    return oneHot(tf.tensor1d(indices, 'int32'), buckets)
  })
  const bias = store.derived<tf.Tensor4D>(`bias ${length}`, () => {
    const perPair = tf.matMul(positions, store.get<tf.Tensor2D>(POSITIONS))
    return tf.transpose(tf.reshape(perPair, [1, length, length, numHeads]), [0, 3, 1, 2])
  })
  if (!mask) return bias
  const hidden = tf.tensor4d(
    mask.flat().map(value => (value === 1 ? 0 : -1e30)),
    [mask.length, 1, 1, length],
  )
  return tf.add(bias, hidden)
}

/**
 * The encoder of T5 v1.1, whose hidden states condition Imagen.
 *
 * Source: Raffel et al., "Exploring the limits of transfer learning with a unified text-to-text transformer", JMLR 2020;
 * gated GELU: Shazeer, "GLU variants improve transformer", 2020; names and config as in transformers' `T5EncoderModel`.
 *
 * @throws FxError `invalid-argument` for a config that does not fit together, `not-found`, `shape-mismatch` or
 *   `invalid-argument` for weights that are not this network's.
 */
export const t5Encoder = ({ config: given, weights, trainable = false }: T5Options): T5Encoder => {
  const config = resolveT5Config(given)
  const { vocabSize, dModel, numLayers, layerNormEpsilon: epsilon } = config
  const store = createStore('imagen: the T5', t5Parameters(config), weights, trainable)

  const run = (ids: TokenRows, mask: TokenRows | undefined): tf.Tensor3D => {
    const [n, length] = [ids.length, ids[0]!.length]
    const tokens = tf.tensor1d(ids.flat(), 'int32')
    const table = store.get<tf.Tensor2D>('shared.weight')
    const rows = trainable ? tf.matMul(oneHot(tokens, vocabSize), table) : tf.gather(table, tokens)
    const bias = attentionBias(store, config, length, mask)
    let x = tf.reshape(rows, [n, length, dModel]) as tf.Tensor3D
    for (let index = 0; index < numLayers; index++) {
      const { attention, norm1, feed, norm2 } = block(index)
      x = tf.add(x, selfAttention(store, attention, config, rmsNorm(store, norm1, x, epsilon), bias))
      x = tf.add(x, feedForward(store, feed, rmsNorm(store, norm2, x, epsilon)))
    }
    return rmsNorm(store, 'encoder.final_layer_norm', x, epsilon)
  }

  return {
    config,
    encode(ids, mask) {
      const length = checkedLength('token ids', ids)
      const unknown = ids.flat().find(id => !Number.isInteger(id) || id < 0 || id >= vocabSize)
      if (unknown !== undefined) {
        throw new FxError(
          'invalid-argument',
          `imagen: the T5 has no token ${unknown}; its ids are 0 to ${vocabSize - 1}`,
        )
      }
      if (mask) {
        checkedLength('the mask', mask, length)
        if (mask.length !== ids.length) {
          throw new FxError('shape-mismatch', `imagen: ${mask.length} rows of mask for ${ids.length} of token ids`)
        }
        const odd = mask.flat().find(value => value !== 0 && value !== 1)
        if (odd !== undefined) throw new FxError('invalid-argument', `imagen: a mask is 0 or 1, got ${odd}`)
      }
      return tf.tidy(() => run(ids, mask))
    },
    variables: trainable ? ([...store.parameters.values()] as tf.Variable[]) : [],
    weights: store.weights,
    dispose: store.dispose,
  }
}

/** Initial weights, as T5 itself was begun. */
export const randomT5Weights = (config: T5Config, seed: number | string): Map<string, NamedWeight> =>
  drawWeights(t5Parameters(resolveT5Config(config)), seed, 't5')
