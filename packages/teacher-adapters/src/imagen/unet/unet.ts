import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { createStore, type Store } from '../../network/store.js'
import { drawWeights, type NamedWeight, type NamedWeights } from '../../network/weights.js'
import { attention, resnet } from './blocks.js'
import { type ResolvedUnetConfig, resolveUnetConfig, type UnetConfig } from './config.js'
import { pooledText, timestepEmbedding } from './embeddings.js'
import { unetLayout } from './layout.js'
import { activation, conv, groupNorm, linear } from './ops.js'
import { unetParameters } from './parameters.js'

export interface UnetConditioning {
  /** Text embeddings `[N, L, encoderHidDim]`. */
  text: tf.Tensor3D
  /** How much noise the low-resolution images were given, 0 to 999: needed where `classEmbedType` is `'timestep'`. */
  noiseLevel?: readonly number[]
}

export interface DiffusionUnet {
  readonly config: ResolvedUnetConfig
  /**
   * What the network makes of noisy images `[N, H, W, inChannels]` in about [-1, 1] (for super-resolution with the
   * low-resolution image behind, in the same range): `[N, H, W, outChannels]`, the noise, the velocity or whatever it was
   * trained to tell, and the variance after it where it is learned. The sides are multiples of
   * `patchSize * 2^(levels - 1)`. Call it in a tidy; the result is the caller's.
   *
   * @param timesteps one an image, 0 to 999, not necessarily whole.
   * @throws FxError `shape-mismatch`, `invalid-argument`.
   */
  predict(x: tf.Tensor4D, timesteps: readonly number[], conditioning: UnetConditioning): tf.Tensor4D
  /** What an optimiser may change; empty unless the network is trainable. */
  readonly variables: readonly tf.Variable[]
  /** Copies of the parameters under diffusers' names, in PyTorch's layout. */
  weights(): Promise<Map<string, NamedWeight>>
  dispose(): void
}

export interface UnetOptions {
  config: UnetConfig
  /** Under diffusers' names, in PyTorch's layout. */
  weights: NamedWeights
  /** Parameters become variables that an optimiser can change. Default false. */
  trainable?: boolean
}

const checkInput = (
  config: ResolvedUnetConfig,
  x: tf.Tensor4D,
  timesteps: readonly number[],
  { text, noiseLevel }: UnetConditioning,
): void => {
  const { inChannels, encoderHidDim, patchSize, blockOutChannels, classEmbedType } = config
  const [n, height, width, channels] = x.shape
  const multiple = patchSize * 2 ** (blockOutChannels.length - 1)
  if (x.rank !== 4 || channels !== inChannels || height % multiple !== 0 || width % multiple !== 0) {
    throw new FxError(
      'shape-mismatch',
      `imagen: images must be [N, H, W, ${inChannels}] with sides that are multiples of ${multiple}, got [${x.shape.join(', ')}]`,
      { details: { given: x.shape } },
    )
  }
  if (text.rank !== 3 || text.shape[0] !== n || text.shape[2] !== encoderHidDim) {
    throw new FxError(
      'shape-mismatch',
      `imagen: text embeddings must be [${n}, L, ${encoderHidDim}], got [${text.shape.join(', ')}]`,
      { details: { given: text.shape } },
    )
  }
  const told = classEmbedType === 'timestep'
  if (told !== (noiseLevel !== undefined)) {
    throw new FxError(
      'invalid-argument',
      told
        ? 'imagen: this network needs the noiseLevel of its low-resolution images'
        : 'imagen: this network takes no noiseLevel',
    )
  }
  for (const [name, values] of [['timesteps', timesteps], ...(noiseLevel ? [['noiseLevel', noiseLevel]] : [])] as [
    string,
    readonly number[],
  ][]) {
    const wrong = values.find(value => !(value >= 0 && value < 1000))
    if (wrong !== undefined || values.length !== n) {
      throw new FxError(
        'invalid-argument',
        `imagen: ${name} must be ${n} numbers from 0 to 999, got ${wrong ?? `${values.length} numbers`}`,
      )
    }
  }
}

const run = (
  store: Store,
  config: ResolvedUnetConfig,
  x: tf.Tensor4D,
  timesteps: readonly number[],
  { text, noiseLevel }: UnetConditioning,
): tf.Tensor4D => {
  const { actFn, normNumGroups, normEps, patchSize } = config
  const { down, middle, up } = unetLayout(config)
  const sums = [
    timestepEmbedding(store, 'time_embedding', timesteps, config),
    ...(noiseLevel ? [timestepEmbedding(store, 'class_embedding', noiseLevel, config)] : []),
    pooledText(store, text, config),
  ].reduce((a, b) => tf.add(a, b))
  const embedding = config.resnetSkipTimeAct ? activation(actFn, sums) : sums
  const words = linear(store, 'encoder_hid_proj', text)

  let h = conv(store, 'conv_in', toPatches(x, patchSize))
  const skips = [h]
  for (const { layers, resampler } of down) {
    for (const layer of layers) {
      h = resnet(store, layer.resnet, config, h, embedding)
      if (layer.attention) h = attention(store, layer.attention, config, h, words)
      skips.push(h)
    }
    if (resampler) {
      h = resnet(store, resampler, config, h, embedding)
      skips.push(h)
    }
  }
  const [before, between, after] = middle
  h = resnet(store, before, config, h, embedding)
  h = attention(store, between, config, h, words)
  h = resnet(store, after, config, h, embedding)
  for (const { layers, resampler } of up) {
    for (const layer of layers) {
      h = resnet(store, layer.resnet, config, tf.concat([h, skips.pop()!], 3), embedding)
      if (layer.attention) h = attention(store, layer.attention, config, h, words)
    }
    if (resampler) h = resnet(store, resampler, config, h, embedding)
  }
  const last = groupNorm(store, 'conv_norm_out', h, { groups: normNumGroups, epsilon: normEps, actFn })
  return fromPatches(conv(store, 'conv_out', last), patchSize)
}

/** Squares of pixels to channels: `[N, H, W, C]` to `[N, H / size, W / size, size^2 C]`. */
const toPatches = (x: tf.Tensor4D, size: number): tf.Tensor4D => {
  if (size === 1) return x
  const [n, height, width, channels] = x.shape
  const squares = tf.reshape(x, [n, height / size, size, width / size, size, channels])
  return tf.reshape(tf.transpose(squares, [0, 1, 3, 2, 4, 5]), [n, height / size, width / size, size ** 2 * channels])
}

const fromPatches = (x: tf.Tensor4D, size: number): tf.Tensor4D => {
  if (size === 1) return x
  const [n, height, width, all] = x.shape
  const channels = all / size ** 2
  const squares = tf.reshape(x, [n, height, width, size, size, channels])
  return tf.reshape(tf.transpose(squares, [0, 1, 3, 2, 4, 5]), [n, height * size, width * size, channels])
}

/**
 * The UNet of DeepFloyd IF (stage I, or a super-resolution stage), after Imagen.
 *
 * Source: Saharia et al., "Photorealistic text-to-image diffusion models with deep language understanding", NeurIPS 2022;
 * names and config as in diffusers' `UNet2DConditionModel`.
 *
 * @throws FxError `invalid-argument` for a config that does not fit together, `not-found`, `shape-mismatch` or
 *   `invalid-argument` for weights that are not this network's.
 */
export const imagenUnet = ({ config: given, weights, trainable = false }: UnetOptions): DiffusionUnet => {
  const config = resolveUnetConfig(given)
  const store = createStore('imagen: the UNet', unetParameters(config), weights, trainable)
  return {
    config,
    predict(x, timesteps, conditioning) {
      checkInput(config, x, timesteps, conditioning)
      return tf.tidy(() => run(store, config, x, timesteps, conditioning))
    },
    variables: trainable ? ([...store.parameters.values()] as tf.Variable[]) : [],
    weights: store.weights,
    dispose: store.dispose,
  }
}

/** Initial weights: each residual branch and the output start at zero. */
export const randomUnetWeights = (config: UnetConfig, seed: number | string): Map<string, NamedWeight> =>
  drawWeights(unetParameters(resolveUnetConfig(config)), seed, 'imagen')
