import * as tf from '@tensorflow/tfjs-core'
import type { Store } from '../../network/store.js'
import { type ResolvedUnetConfig, TEXT_NORM_GROUPS } from './config.js'
import { attend, splitHeads } from './heads.js'
import type { AttentionLayout, ResnetLayout } from './layout.js'
import { activation, conv, groupNorm, linear } from './ops.js'

const halved = (x: tf.Tensor4D): tf.Tensor4D => tf.avgPool(x, 2, 2, 'valid')

const doubled = (x: tf.Tensor4D): tf.Tensor4D => {
  const [, height, width] = x.shape
  return tf.image.resizeNearestNeighbor(x, [2 * height, 2 * width])
}

/**
 * A residual block, told of time and text by `embedding` `[N, timeEmbeddingDim]` (already past its activation where the
 * config says so). A resampling one halves or doubles both of its branches after the first activation.
 *
 * Source: Dhariwal and Nichol, "Diffusion models beat GANs on image synthesis", NeurIPS 2021, section 3.
 */
export const resnet = (
  store: Store,
  { name, inChannels, outChannels, resample, outScale }: ResnetLayout,
  config: ResolvedUnetConfig,
  x: tf.Tensor4D,
  embedding: tf.Tensor2D,
): tf.Tensor4D => {
  const { normNumGroups: groups, normEps: epsilon, actFn } = config
  const norm = { groups, epsilon, actFn }
  const resampled = resample === 'down' ? halved : resample === 'up' ? doubled : (x: tf.Tensor4D) => x
  const first = resampled(groupNorm(store, `${name}.norm1`, x, norm))
  const hidden = conv(store, `${name}.conv1`, first)
  const told = config.resnetSkipTimeAct ? embedding : activation(actFn, embedding)
  const [scale, shift] = tf.split(linear(store, `${name}.time_emb_proj`, told), 2, 1) as [tf.Tensor2D, tf.Tensor2D]
  const second = groupNorm(store, `${name}.norm2`, hidden, { ...norm, modulation: { scale, shift } })
  const branch = conv(store, `${name}.conv2`, second)
  const skip = resampled(x)
  const shortcut = inChannels === outChannels ? skip : conv(store, `${name}.conv_shortcut`, skip)
  const sum = tf.add<tf.Tensor4D>(shortcut, branch)
  return outScale === 1 ? sum : tf.mul(sum, 1 / outScale)
}

/** Attention of every pixel to the text `[N, L, crossAttentionDim]` and, unless the config says otherwise, to all pixels. */
export const attention = (
  store: Store,
  { name, channels }: AttentionLayout,
  config: ResolvedUnetConfig,
  x: tf.Tensor4D,
  text: tf.Tensor3D,
): tf.Tensor4D => {
  const { normNumGroups: groups, normEps: epsilon, attentionHeadDim, onlyCrossAttention } = config
  const [n, height, width] = x.shape
  const heads = channels / attentionHeadDim
  const pixels = tf.reshape(groupNorm(store, `${name}.group_norm`, x, { groups, epsilon }), [
    n,
    height * width,
    channels,
  ])
  const [, length, textWidth] = text.shape
  const line = tf.reshape(text, [n, 1, length, textWidth]) as tf.Tensor4D
  const textNorm = { groups: TEXT_NORM_GROUPS, epsilon: 1e-5 }
  const words = tf.reshape(groupNorm(store, `${name}.norm_cross`, line, textNorm), text.shape)
  const projected = (to: string, from: tf.Tensor): tf.Tensor4D =>
    splitHeads(linear(store, `${name}.${to}`, from as tf.Tensor3D), heads)
  const both = (ofText: string, ofPixels: string): tf.Tensor4D => {
    const fromText = projected(ofText, words)
    return onlyCrossAttention ? fromText : tf.concat([fromText, projected(ofPixels, pixels)], 2)
  }
  const mixed = attend(projected('to_q', pixels), both('add_k_proj', 'to_k'), both('add_v_proj', 'to_v'))
  return tf.add(x, tf.reshape(linear(store, `${name}.to_out.0`, mixed), x.shape))
}
