import { FxError, integerIn, numberIn, oneOf, shown } from '@fx/core'
import { defaultBatchNorm, depthwiseSeparable, makeDivisible, squeezeExcite } from '@fx/mobilenet-encoder'
import type { SymbolicTensor } from '@tensorflow/tfjs-layers'
import {
  crop,
  type DecoderBlock,
  decoderBlocks,
  type ImageSize,
  imageSize,
  isHalf,
  joinFeature,
  reduceChannels,
  refine,
  type Skip,
  skips,
  type Upsampling,
  upsample,
  upsamplings,
} from './decoder-parts.js'

/**
 * The resolution of a decoder's output, hence of the head's convolutions: the image's, or half of it on each axis, a
 * quarter of the work in the most expensive stage.
 */
export const resolutions = ['full', 'half'] as const
export type Resolution = (typeof resolutions)[number]

/** Channels of the stages at width 1, coarse to fine. */
const baseChannels = [96, 64, 32, 24, 16] as const

/** Everything that shapes a decoder, with no default left open. Plain JSON. */
export interface DecoderSpec {
  /** Channels of each stage, coarse to fine; the last stage is at `resolution`. */
  channels: number[]
  /** Refining blocks of each stage, coarse to fine. */
  blocks: number[]
  /** What those blocks are. */
  block: DecoderBlock
  /** Their expansion; depthwise separable ones have none. */
  expansion: number
  /** Whether each stage weighs its channels after mixing. */
  squeezeExcite: boolean
  skip: Skip
  upsampling: Upsampling
  resolution: Resolution
  batchNormMomentum: number
  batchNormEpsilon: number
}

/** Options of `unetDecoder`: a DecoderSpec in which everything has a default. */
export interface UnetDecoderOptions {
  /**
   * Width multiplier of the default channels (96, 64, 32, 24, 16; at half resolution without the last). Default 1, in a
   * student its encoder's width.
   */
  width?: number
  /** Channels of each stage, coarse to fine, instead of a width. */
  channels?: readonly number[]
  /** Refining blocks in every stage, or in each, coarse to fine; 0 leaves the one that mixes. Default 1. */
  blocks?: number | readonly number[]
  /** Default `invertedResidual`. */
  block?: DecoderBlock
  /** Default 2. */
  expansion?: number
  /** Squeeze and excitation (Howard et al. 2019, section 5.3) in each stage, after it has mixed. Default false. */
  squeezeExcite?: boolean
  /** Default `concat`; `add` spares the copy of a concatenation. */
  skip?: Skip
  /** Default `bilinear`; choose `nearest` for a student that must compute the same in Keras. */
  upsampling?: Upsampling
  /** Default `full`. */
  resolution?: Resolution
  /** Default 0.9, in a student its encoder's. */
  batchNormMomentum?: number
  /** Default 1e-3, in a student its encoder's. */
  batchNormEpsilon?: number
}

/** What a decoder may be told beside the features. */
export interface DecoderApplyOptions {
  /** Seed of the initial weights. Default 0. */
  seed?: number
  /** `[N, P]`, the effect's parameters in [0, 1] (`Condition.values`), which modulate every stage. */
  values?: SymbolicTensor
  /** Size of the image, where a side is odd: twice the finest feature's is then one too many. Default: that. */
  image?: ImageSize
}

/** Turns a list of features into one tensor at the resolution of the image, or at half of it. It knows nothing else of the encoder. */
export interface Decoder {
  readonly spec: DecoderSpec
  /**
   * Builds the layers, with new weights, on symbolic features, fine to coarse, the finest at half the image's resolution
   * and each half of the one before, sides rounded up; as many as the spec has stages, at half resolution one more. Returns
   * a symbolic `[N, H, W, channels.at(-1)]`, at half resolution that of the finest feature, `[N, H / 2, W / 2, ...]`.
   *
   * @throws FxError `shape-mismatch` when number or sizes of the features do not fit each other or the image.
   */
  apply(features: readonly SymbolicTensor[], options?: DecoderApplyOptions): SymbolicTensor
}

const eachStage = <T>(
  name: string,
  value: number | readonly number[],
  stages: number,
  check: (v: unknown) => T,
): T[] => {
  const values = Array.isArray(value) ? value : new Array<unknown>(stages).fill(value)
  if (values.length !== stages) {
    throw new FxError('invalid-argument', `${name} has ${values.length} entries for ${stages} stages`, {
      details: { name, value },
    })
  }
  return values.map(check)
}

const resolve = (options: UnetDecoderOptions): DecoderSpec => {
  const width = numberIn('decoder.width', options.width ?? 1, 0.05, 4)
  const resolution = oneOf('decoder.resolution', options.resolution ?? 'full', resolutions)
  const given = options.channels
  if (given !== undefined && (!Array.isArray(given) || given.length === 0)) {
    throw new FxError('invalid-argument', `decoder.channels is ${shown(given)}; it must be a list of numbers`)
  }
  const excite = options.squeezeExcite ?? false
  if (typeof excite !== 'boolean') {
    throw new FxError('invalid-argument', `decoder.squeezeExcite is ${shown(excite)}; it must be true or false`)
  }
  const base = resolution === 'half' ? baseChannels.slice(0, -1) : baseChannels
  const channels = (given ?? base.map(c => makeDivisible(c * width))).map(value =>
    integerIn('decoder.channels', value, 1, 4096),
  )
  return {
    channels,
    blocks: eachStage('decoder.blocks', options.blocks ?? 1, channels.length, v =>
      integerIn('decoder.blocks', v, 0, 16),
    ),
    block: oneOf('decoder.block', options.block ?? 'invertedResidual', decoderBlocks),
    expansion: numberIn('decoder.expansion', options.expansion ?? 2, 1, 16),
    squeezeExcite: excite,
    skip: oneOf('decoder.skip', options.skip ?? 'concat', skips),
    upsampling: oneOf('decoder.upsampling', options.upsampling ?? 'bilinear', upsamplings),
    resolution,
    batchNormMomentum: numberIn(
      'decoder.batchNormMomentum',
      options.batchNormMomentum ?? defaultBatchNorm.momentum,
      0,
      1,
    ),
    batchNormEpsilon: numberIn(
      'decoder.batchNormEpsilon',
      options.batchNormEpsilon ?? defaultBatchNorm.epsilon,
      1e-8,
      1,
    ),
  }
}

/** How many features a decoder takes. */
export const featuresOf = ({ channels, resolution }: DecoderSpec): number =>
  channels.length + (resolution === 'half' ? 1 : 0)

/** Refuses features that a decoder cannot join, or an image that they are not of. */
const checkFeatures = (features: readonly SymbolicTensor[], spec: DecoderSpec, image: ImageSize | undefined): void => {
  const sizes = features.map(({ shape }) => `${shape[1]}x${shape[2]}`)
  const halves = features.every((feature, i) => {
    const finer = i === 0 ? image : imageSize(features[i - 1]!)
    return finer === undefined || isHalf(imageSize(feature), finer)
  })
  const stages = spec.channels.length
  if (features.length === featuresOf(spec) && halves) return
  const of = image === undefined ? '' : ` of an image of ${image.height}x${image.width}`
  throw new FxError(
    'shape-mismatch',
    `A decoder of ${stages} stages needs ${featuresOf(spec)} features${of}, each half the size of the one before, rounded up; got ${features.length}: ${sizes.join(', ')}`,
    { details: { stages, sizes } },
  )
}

/**
 * The decoder of a UNet (Ronneberger et al. 2015, section 2) built of MobileNet blocks. Each stage narrows by a 1x1
 * convolution while the resolution is still low, doubles it, joins the encoder's feature of that resolution, mixes by a
 * depthwise separable 3x3 convolution, weighs its channels if asked, and refines by blocks. At full
 * resolution the last stage has no feature to join.
 *
 * @throws FxError `invalid-argument` for an unknown skip, upsampling, block or resolution, or a number outside its range.
 */
export const unetDecoder = (options: UnetDecoderOptions = {}): Decoder => {
  const spec = resolve(options)
  const { skip, upsampling, block, expansion } = spec
  const batchNorm = { momentum: spec.batchNormMomentum, epsilon: spec.batchNormEpsilon }
  return {
    spec,
    apply: (features, { seed = 0, values, image } = {}) => {
      checkFeatures(features, spec, image)
      const shared = { batchNorm, seed }
      return spec.channels.reduce<SymbolicTensor>((input, filters, stage) => {
        const name = `decoder_${stage + 1}`
        const reduced = reduceChannels(input, { ...shared, name: `${name}_reduce`, filters, values })
        const up = upsample(reduced, { name: `${name}_up`, upsampling })
        const feature = features.at(-2 - stage)
        const joined =
          feature === undefined
            ? crop(up, { name: `${name}_crop`, size: image ?? imageSize(up) })
            : joinFeature(up, feature, { ...shared, name, skip })
        let x = depthwiseSeparable(joined, { ...shared, name, filters })
        if (spec.squeezeExcite) x = squeezeExcite(x, { name, seed })
        for (let i = 1; i <= spec.blocks[stage]!; i++) {
          x = refine(x, { ...shared, name: `${name}_block_${i}`, block, filters, expansion })
        }
        return x
      }, features.at(-1)!)
    },
  }
}
