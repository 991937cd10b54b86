import * as tf from '@tensorflow/tfjs-core'
import type { Store } from '../../network/store.js'
import type { ResolvedUnetConfig } from './config.js'
import { attend, splitHeads } from './heads.js'
import { activation, layerNorm, linear } from './ops.js'

/** `[cos | sin]` of the timesteps at `dim / 2` frequencies from 1 to 1/10000: `[N, dim]`. */
const sinusoids = (timesteps: readonly number[], dim: number): tf.Tensor2D => {
  const half = Math.floor(dim / 2)
  const values = new Float32Array(timesteps.length * dim)
  timesteps.forEach((t, row) => {
    for (let i = 0; i < half; i++) {
      const angle = t * 10_000 ** (-i / half)
      values[row * dim + i] = Math.cos(angle)
      values[row * dim + half + i] = Math.sin(angle)
    }
  })
  return tf.tensor2d(values, [timesteps.length, dim])
}

/** What a network knows of a timestep, or of a noise level: `[N, timeEmbeddingDim]`. */
export const timestepEmbedding = (
  store: Store,
  name: 'time_embedding' | 'class_embedding',
  timesteps: readonly number[],
  { blockOutChannels, actFn }: ResolvedUnetConfig,
): tf.Tensor2D => {
  const hidden = linear(store, `${name}.linear_1`, sinusoids(timesteps, blockOutChannels[0]!))
  return linear(store, `${name}.linear_2`, activation(actFn, hidden))
}

/** The text as one vector, `[N, timeEmbeddingDim]`: attention whose query is the mean token. */
export const pooledText = (
  store: Store,
  text: tf.Tensor3D,
  { additionEmbedTypeNumHeads: heads }: ResolvedUnetConfig,
): tf.Tensor2D => {
  const at = 'add_embedding'
  const [n, , width] = text.shape
  const tokens = layerNorm(store, `${at}.norm1`, text)
  const position = tf.reshape(store.get(`${at}.pool.positional_embedding`), [1, 1, width])
  const summary = tf.add<tf.Tensor3D>(tf.mean(tokens, 1, true), position)
  const all = tf.concat([summary, tokens], 1)
  const [q, k, v] = [
    splitHeads(linear(store, `${at}.pool.q_proj`, summary), heads),
    splitHeads(linear(store, `${at}.pool.k_proj`, all), heads),
    splitHeads(linear(store, `${at}.pool.v_proj`, all), heads),
  ] as const
  const pooled = tf.reshape(attend(q, k, v), [n, width]) as tf.Tensor2D
  return layerNorm(store, `${at}.norm2`, linear(store, `${at}.proj`, pooled))
}
