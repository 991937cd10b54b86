import { FxError, integerIn, listed } from '@fx/core'

/** What the networks of one GAN share. */
interface NetworkConfig {
  /** Side of the square images, pixels: 16, 32, ... 1024. */
  resolution: number
  /** Colour channels of the images. Default 3. */
  imageChannels?: number
  /** Length of the label vector; 0 (the default) for a network without labels. */
  cDim?: number
  /** Feature maps at a resolution: `min(channelBase / resolution, channelMax)`. Default 32768. */
  channelBase?: number
  /** The most feature maps of any layer. Default 512. */
  channelMax?: number
  /** Activations are clamped to +-this; `null` (the default) for no clamp. Networks trained in float16 have 256. */
  convClamp?: number | null
}

/** The shape of a generator. Names as in the paper and in NVlabs/stylegan2-ada-pytorch. */
export interface GeneratorConfig extends NetworkConfig {
  /** Length of z. Default 512. */
  zDim?: number
  /** Length of w. Default 512. */
  wDim?: number
  /** Fully connected layers of the mapping network. Default 8. */
  mappingLayers?: number
}

/** The shape of a discriminator. */
export interface DiscriminatorConfig extends NetworkConfig {
  /** Layers of the network that maps a label, when `cDim` > 0. Default 8. */
  mappingLayers?: number
  /** Images compared by the minibatch standard deviation. Default 4; a smaller batch is one group. */
  mbstdGroupSize?: number
  /** Feature maps that the minibatch standard deviation adds. Default 1. */
  mbstdChannels?: number
}

const resolutions = [16, 32, 64, 128, 256, 512, 1024] as const

/** Far above any published network; stops a slip of the keyboard before it takes all memory. */
const MOST = 65_536

const checkInteger = (name: string, value: number, min: number): void => {
  integerIn(`stylegan2: ${name}`, value, min, MOST)
}

const checkNetwork = (config: Required<NetworkConfig>): void => {
  if (!resolutions.includes(config.resolution as (typeof resolutions)[number])) {
    throw new FxError(
      'invalid-argument',
      `stylegan2: resolution must be ${listed(resolutions)}, got ${config.resolution}`,
      { details: { resolution: config.resolution, allowed: resolutions } },
    )
  }
  checkInteger('imageChannels', config.imageChannels, 1)
  checkInteger('cDim', config.cDim, 0)
  checkInteger('channelMax', config.channelMax, 1)
  checkInteger('channelBase', config.channelBase, config.resolution)
  if (config.convClamp !== null && !(config.convClamp > 0)) {
    throw new FxError('invalid-argument', `stylegan2: convClamp must be positive or null, got ${config.convClamp}`)
  }
}

const networkDefaults = { imageChannels: 3, cDim: 0, channelBase: 32768, channelMax: 512, convClamp: null }

/**
 * A generator's configuration with every default filled in.
 *
 * @throws FxError `invalid-argument`, naming the value and the allowed ones.
 */
export const resolveGeneratorConfig = (config: GeneratorConfig): Required<GeneratorConfig> => {
  const all = { ...networkDefaults, zDim: 512, wDim: 512, mappingLayers: 8, ...config }
  checkNetwork(all)
  checkInteger('zDim', all.zDim, 1)
  checkInteger('wDim', all.wDim, 1)
  checkInteger('mappingLayers', all.mappingLayers, 1)
  return all
}

/**
 * A discriminator's configuration with every default filled in.
 *
 * @throws FxError `invalid-argument`, naming the value and the allowed ones.
 */
export const resolveDiscriminatorConfig = (config: DiscriminatorConfig): Required<DiscriminatorConfig> => {
  const all = { ...networkDefaults, mappingLayers: 8, mbstdGroupSize: 4, mbstdChannels: 1, ...config }
  checkNetwork(all)
  checkInteger('mappingLayers', all.mappingLayers, 1)
  checkInteger('mbstdGroupSize', all.mbstdGroupSize, 1)
  checkInteger('mbstdChannels', all.mbstdChannels, 1)
  if (channelsAt(all, 4) % all.mbstdChannels !== 0) {
    throw new FxError(
      'invalid-argument',
      `stylegan2: mbstdChannels must divide the ${channelsAt(all, 4)} channels at 4x4, got ${all.mbstdChannels}`,
    )
  }
  return all
}

/** Feature maps at a resolution. */
export const channelsAt = (config: { channelBase: number; channelMax: number }, resolution: number): number =>
  Math.min(Math.floor(config.channelBase / resolution), config.channelMax)

/** 4, 8, ... up to `resolution`. */
export const blockResolutions = (resolution: number): number[] =>
  Array.from({ length: Math.log2(resolution) - 1 }, (_, i) => 4 * 2 ** i)

/** A layer of the synthesis network that a style controls: a coordinate block of StyleSpace. */
export interface StyleLayer {
  /** `b8.conv0`: its block and its name there; also its key in `Styles`. */
  name: string
  /** `up` doubles the size, `conv` keeps it, `rgb` adds to the image. */
  kind: 'up' | 'conv' | 'rgb'
  /** Side of its output, pixels. */
  resolution: number
  /** Length of its style: the channels that come in. */
  inChannels: number
  outChannels: number
  /** Which row of W+ it reads. An `rgb` layer shares its row with the next block's `up`. */
  row: number
}

/** The layers of the synthesis network in the order in which they run. */
export const styleLayers = (config: Required<GeneratorConfig>): StyleLayer[] =>
  blockResolutions(config.resolution).flatMap((resolution, block) => {
    const outChannels = channelsAt(config, resolution)
    const first = Math.max(0, 2 * block - 1)
    const last = 2 * block
    const common = { resolution, inChannels: outChannels, outChannels }
    const up: StyleLayer = {
      ...common,
      name: `b${resolution}.conv0`,
      kind: 'up',
      inChannels: channelsAt(config, resolution / 2),
      row: first,
    }
    return [
      ...(block === 0 ? [] : [up]),
      { ...common, name: `b${resolution}.conv1`, kind: 'conv', row: last },
      { ...common, name: `b${resolution}.torgb`, kind: 'rgb', outChannels: config.imageChannels, row: last + 1 },
    ] satisfies StyleLayer[]
  })

/** Rows of W+: 18 at 1024, 8 at 32. */
export const numWs = (config: { resolution: number }): number => 2 * Math.log2(config.resolution) - 2
