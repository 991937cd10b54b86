import { type ParameterSpec, parameter } from '../../network/parameter.js'
import type { ResolvedUnetConfig } from './config.js'
import { type AttentionLayout, type ResnetLayout, unetLayout } from './layout.js'

const HWIO = [2, 3, 1, 0]

const bias = (name: string, channels: number): ParameterSpec => parameter(`${name}.bias`, [channels], {})

/** `gain` 0 for the last layer of a residual branch: a network starts as the identity of its skips. */
const linear = (name: string, inputs: number, outputs: number, gain = 1): ParameterSpec[] => [
  parameter(`${name}.weight`, [outputs, inputs], { std: gain / Math.sqrt(inputs) }, undefined, [1, 0]),
  bias(name, outputs),
]

const conv = (name: string, size: number, inputs: number, outputs: number, gain = 1): ParameterSpec[] => [
  parameter(
    `${name}.weight`,
    [outputs, inputs, size, size],
    { std: gain / (size * Math.sqrt(inputs)) },
    undefined,
    HWIO,
  ),
  bias(name, outputs),
]

const norm = (name: string, channels: number): ParameterSpec[] => [
  parameter(`${name}.weight`, [channels], { constant: 1 }),
  bias(name, channels),
]

/** Every array of a UNet, under its diffusers name, with its shape there and its place in tfjs. */
export const unetParameters = (config: ResolvedUnetConfig): ParameterSpec[] => {
  const { blockOutChannels, timeEmbeddingDim: time, encoderHidDim, crossAttentionDim, patchSize } = config
  const first = blockOutChannels[0]!
  const resnet = ({ name, inChannels, outChannels }: ResnetLayout): ParameterSpec[] => [
    ...norm(`${name}.norm1`, inChannels),
    ...conv(`${name}.conv1`, 3, inChannels, outChannels),
    ...linear(`${name}.time_emb_proj`, time, 2 * outChannels),
    ...norm(`${name}.norm2`, outChannels),
    ...conv(`${name}.conv2`, 3, outChannels, outChannels, 0),
    ...(inChannels === outChannels ? [] : conv(`${name}.conv_shortcut`, 1, inChannels, outChannels)),
  ]
  const attention = ({ name, channels }: AttentionLayout): ParameterSpec[] => [
    ...norm(`${name}.group_norm`, channels),
    ...norm(`${name}.norm_cross`, crossAttentionDim),
    ...linear(`${name}.to_q`, channels, channels),
    ...(config.onlyCrossAttention
      ? []
      : [...linear(`${name}.to_k`, channels, channels), ...linear(`${name}.to_v`, channels, channels)]),
    ...linear(`${name}.add_k_proj`, crossAttentionDim, channels),
    ...linear(`${name}.add_v_proj`, crossAttentionDim, channels),
    ...linear(`${name}.to_out.0`, channels, channels, 0),
  ]
  const embedding = (name: string): ParameterSpec[] => [
    ...linear(`${name}.linear_1`, first, time),
    ...linear(`${name}.linear_2`, time, time),
  ]
  const { down, middle, up } = unetLayout(config)
  const [before, between, after] = middle
  return [
    ...conv('conv_in', 3, config.inChannels * patchSize ** 2, first),
    ...embedding('time_embedding'),
    ...(config.classEmbedType === 'timestep' ? embedding('class_embedding') : []),
    ...linear('encoder_hid_proj', encoderHidDim, crossAttentionDim),
    ...norm('add_embedding.norm1', encoderHidDim),
    parameter('add_embedding.pool.positional_embedding', [1, encoderHidDim], { std: 1 / Math.sqrt(encoderHidDim) }),
    ...['k_proj', 'q_proj', 'v_proj'].flatMap(name =>
      linear(`add_embedding.pool.${name}`, encoderHidDim, encoderHidDim),
    ),
    ...linear('add_embedding.proj', encoderHidDim, time),
    ...norm('add_embedding.norm2', time),
    ...[...down, ...up].flatMap(({ layers, resampler }) => [
      ...layers.flatMap(layer => [...resnet(layer.resnet), ...(layer.attention ? attention(layer.attention) : [])]),
      ...(resampler ? resnet(resampler) : []),
    ]),
    ...resnet(before),
    ...attention(between),
    ...resnet(after),
    ...norm('conv_norm_out', first),
    ...conv('conv_out', 3, first, config.outChannels * patchSize ** 2, 0),
  ]
}
