import { makeDivisible } from '../divisible.js'

/** The shapes of a network's weights: by layer, then by weight. */
export type Shapes = ReadonlyMap<string, ReadonlyMap<string, { readonly shape: readonly (number | null)[] }>>

/** Which MobileNet a set of weights belongs to. */
export interface Architecture {
  generation: 'v1' | 'v2' | 'v3-small' | 'v3-large' | 'v4-conv-small' | 'v4-conv-medium'
  /** Channels of its last feature. */
  channels: number
  /** The width multiplier that gives so many. */
  width: number
  blocks: number
}

const titles: Readonly<Record<Architecture['generation'], string>> = {
  v1: 'MobileNetV1',
  v2: 'MobileNetV2',
  'v3-small': 'MobileNetV3 small',
  'v3-large': 'MobileNetV3 large',
  'v4-conv-small': 'MobileNetV4 conv small',
  'v4-conv-medium': 'MobileNetV4 conv medium',
}

/** Channels of the last feature at width 1. */
const fullChannels: Readonly<Record<Architecture['generation'], number>> = {
  v1: 1024,
  v2: 320,
  'v3-small': 576,
  'v3-large': 960,
  'v4-conv-small': 960,
  'v4-conv-medium': 960,
}

/** By the stem, and the first layer after it: names that no other generation has together. */
const stems = [
  { generation: 'v1', stem: 'conv1', next: /^conv_dw_1$/ },
  { generation: 'v2', stem: 'Conv1', next: /^expanded_conv_depthwise$/ },
  { generation: 'v3', stem: 'conv', next: /^expanded_conv_depthwise$/ },
  { generation: 'v4', stem: 'conv_stem', next: /^blocks\.0\.0\.conv(_exp)?$/ },
] as const

const blockNames: Readonly<Record<(typeof stems)[number]['generation'], RegExp>> = {
  v1: /^conv_pw_(\d+)$/,
  v2: /^(?:expanded_conv|block_(\d+))_project$/,
  v3: /^expanded_conv(?:_(\d+))?_project$/,
  v4: /^(blocks\.\d+\.\d+)\.(?:conv|conv_pwl|pw_proj\.conv)$/,
}

const encoderLayers: Readonly<Record<(typeof stems)[number]['generation'], RegExp>> = {
  v1: /^(conv1|conv_(dw|pw)_\d+)(_bn)?$/,
  v2: /^(Conv1|bn_Conv1|(expanded_conv|block_\d+)_(expand|depthwise|project)(_BN)?)$/,
  v3: /^(conv(_1)?|expanded_conv(_\d+)?_(expand|depthwise|project))(_bn)?$|^expanded_conv(_\d+)?_squeeze_excite_conv(_1)?$/,
  v4: /^(conv_stem|bn1|blocks\.\d+\.\d+\..+)$/,
}

const convolution = (shapes: Shapes, layer: string): readonly number[] =>
  (shapes.get(layer)?.get('kernel') ?? shapes.get(layer)?.get('depthwise_kernel'))?.shape.map(Number) ?? []

const generationOf = (shapes: Shapes) =>
  stems.find(({ stem, next }) => shapes.has(stem) && [...shapes.keys()].some(layer => next.test(layer)))

/** The stem's name, when the layers are a MobileNet's. */
export const stemOf = (shapes: Shapes): string | undefined => generationOf(shapes)?.stem

/** Whether a layer is one of the encoder's of a network, not of what comes after it or beside its convolutions. */
export const isEncoderLayer = (shapes: Shapes): ((layer: string) => boolean) => {
  const found = generationOf(shapes)
  return layer => found !== undefined && encoderLayers[found.generation].test(layer) && !layer.includes('_branch_')
}

/** MobileNetV3 large is the one in which a block with a 3 x 3 kernel follows one of 5 x 5; it has 15 blocks, small 11. */
const isLarge = (shapes: Shapes, blocks: number): boolean => {
  const kernels = Array.from({ length: blocks }, (_, number) => {
    const layer = `expanded_conv${number === 0 ? '' : `_${number}`}_depthwise`
    return convolution(shapes, layer)[0]
  })
  const wide = kernels.indexOf(5)
  return wide < 0 ? blocks > 11 : kernels.indexOf(3, wide) > 0
}

const usualWidths = [0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 0.75, 1, 1.25, 1.3, 1.4, 1.5, 2]

const widthOf = (channels: number, full: number): number => {
  const near = (width: number): number => Math.abs(width - channels / full)
  // Keras truncates in V1, and multiplies what is there by six in V3.
  const fits = (width: number): boolean =>
    [Math.trunc(full * width), makeDivisible(full * width), 6 * makeDivisible((full * width) / 6)].includes(channels)
  const usual = usualWidths.filter(fits).sort((a, b) => near(a) - near(b))[0]
  return usual ?? Math.round((100 * channels) / full) / 100
}

/** Which MobileNet these weights are; undefined when they are none. */
export const architectureOf = (shapes: Shapes): Architecture | undefined => {
  const found = generationOf(shapes)
  if (!found) return undefined
  const names = [...shapes.keys()].filter(layer => blockNames[found.generation].test(layer))
  const blocks = new Set(names.map(layer => blockNames[found.generation].exec(layer)![1] ?? '')).size
  const last = {
    v1: () => `conv_pw_${blocks}`,
    v2: () => (blocks === 1 ? 'expanded_conv_project' : `block_${blocks - 1}_project`),
    v3: () => 'conv_1',
    v4: () => 'blocks.4.0.conv',
  }[found.generation]()
  const generation =
    found.generation === 'v3'
      ? isLarge(shapes, blocks)
        ? 'v3-large'
        : 'v3-small'
      : found.generation === 'v4'
        ? shapes.has('blocks.0.0.conv_exp')
          ? 'v4-conv-medium'
          : 'v4-conv-small'
        : found.generation
  const channels = convolution(shapes, last)[3] ?? 0
  return { generation, channels, width: widthOf(channels, fullChannels[generation]), blocks }
}

/** `MobileNetV2 of width 0.5 with 17 blocks` */
export const describeArchitecture = ({ generation, width, blocks }: Architecture): string =>
  `${titles[generation]} of width ${width} with ${blocks} blocks`
