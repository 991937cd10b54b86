import type { ResolvedUnetConfig } from './config.js'

/** A residual block: where its parameters are, and what it does. */
export interface ResnetLayout {
  /** Prefix of its parameters: `down_blocks.0.resnets.1`. */
  name: string
  inChannels: number
  outChannels: number
  resample?: 'down' | 'up'
  /** The sum is divided by it. */
  outScale: number
}

export interface AttentionLayout {
  name: string
  channels: number
}

/** A residual block and perhaps an attention after it. */
interface LayerLayout {
  resnet: ResnetLayout
  attention?: AttentionLayout
}

interface LevelLayout {
  layers: LayerLayout[]
  /** To the next level; absent at the last. */
  resampler?: ResnetLayout
}

/** The blocks of a UNet in the order they run, under diffusers' names. */
export interface UnetLayout {
  down: LevelLayout[]
  middle: [ResnetLayout, AttentionLayout, ResnetLayout]
  up: LevelLayout[]
}

export const unetLayout = (config: ResolvedUnetConfig): UnetLayout => {
  const { blockOutChannels, layersPerBlock, attention, resnetOutScaleFactor, midBlockScaleFactor } = config
  const levels = blockOutChannels.length
  const last = blockOutChannels[levels - 1]!
  const layer = (prefix: string, index: number, level: number, inChannels: number): LayerLayout => {
    const outChannels = blockOutChannels[level]!
    return {
      resnet: { name: `${prefix}.resnets.${index}`, inChannels, outChannels, outScale: resnetOutScaleFactor },
      ...(attention[level] && { attention: { name: `${prefix}.attentions.${index}`, channels: outChannels } }),
    }
  }
  const resampler = (prefix: string, resample: 'down' | 'up', channels: number): ResnetLayout => ({
    name: `${prefix}.${resample}samplers.0`,
    inChannels: channels,
    outChannels: channels,
    resample,
    outScale: resnetOutScaleFactor,
  })

  const down = blockOutChannels.map((channels, level): LevelLayout => {
    const prefix = `down_blocks.${level}`
    const before = blockOutChannels[Math.max(0, level - 1)]!
    return {
      layers: Array.from({ length: layersPerBlock[level]! }, (_, i) =>
        layer(prefix, i, level, i === 0 ? before : channels),
      ),
      ...(level < levels - 1 && { resampler: resampler(prefix, 'down', channels) }),
    }
  })
  // Each layer up is given one of the skips: those of the layers down, of the resampler into the level, or of conv_in.
  const up = blockOutChannels.map((_, i): LevelLayout => {
    const level = levels - 1 - i
    const channels = blockOutChannels[level]!
    const prefix = `up_blocks.${i}`
    const below = blockOutChannels[Math.min(level + 1, levels - 1)]!
    const count = layersPerBlock[level]! + 1
    return {
      layers: Array.from({ length: count }, (_, j) => {
        const skip = j === count - 1 ? blockOutChannels[Math.max(0, level - 1)]! : channels
        return layer(prefix, j, level, (j === 0 ? below : channels) + skip)
      }),
      ...(level > 0 && { resampler: resampler(prefix, 'up', channels) }),
    }
  })
  const middle = (index: number): ResnetLayout => ({
    name: `mid_block.resnets.${index}`,
    inChannels: last,
    outChannels: last,
    outScale: midBlockScaleFactor,
  })
  return { down, middle: [middle(0), { name: 'mid_block.attentions.0', channels: last }, middle(1)], up }
}
