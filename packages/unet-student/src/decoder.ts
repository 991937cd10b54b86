import { FxError, integerIn, numberIn, oneOf, shown } from '@fx/core'
import {
  convBatchNorm,
  defaultBatchNorm,
  depthwiseSeparable,
  invertedResidual,
  makeDivisible,
} from '@fx/mobilenet-encoder'
import { layers, type SymbolicTensor } from '@tensorflow/tfjs-layers'

/** How an encoder's feature joins the decoder: beside it (`concat`), or narrowed to its width and summed (`add`). */
export const skips = ['concat', 'add'] as const
export type Skip = (typeof skips)[number]

/**
 * How a stage doubles the resolution. `nearest` computes the same in tfjs and in Keras. `bilinear` does not: the
 * UpSampling2D of tfjs samples at `i / 2` (align_corners and half_pixel_centers both false), Keras's at
 * `(i + 0.5) / 2 - 0.5` (half-pixel centres), so weights trained in one give slightly shifted features in the other.
 */
export const upsamplings = ['bilinear', 'nearest'] as const
export type Upsampling = (typeof upsamplings)[number]

/** Channels of the stages at width 1, coarse to fine. */
const baseChannels = [96, 64, 32, 24, 16] as const

/** Everything that shapes a decoder, with no default left open. Plain JSON. */
export interface DecoderSpec {
  /** Channels of each stage, coarse to fine; the last stage is at the resolution of the image. */
  channels: number[]
  /** Inverted residuals of each stage, coarse to fine. */
  blocks: number[]
  /** Expansion of those inverted residuals. */
  expansion: number
  skip: Skip
  upsampling: Upsampling
  batchNormMomentum: number
  batchNormEpsilon: number
}

/** Options of `unetDecoder`: a DecoderSpec in which everything has a default. */
export interface UnetDecoderOptions {
  /** Width multiplier of the default channels (96, 64, 32, 24, 16). Default 1, in a student its encoder's width. */
  width?: number
  /** Channels of each stage, coarse to fine, instead of a width. */
  channels?: readonly number[]
  /** Inverted residuals in every stage, or in each, coarse to fine; 0 leaves the depthwise separable one. Default 1. */
  blocks?: number | readonly number[]
  /** Default 2. */
  expansion?: number
  /** Default `concat`; `add` spares the copy of a concatenation. */
  skip?: Skip
  /** Default `bilinear`; choose `nearest` for a student that must compute the same in Keras. */
  upsampling?: Upsampling
  /** Default 0.9, in a student its encoder's. */
  batchNormMomentum?: number
  /** Default 1e-3, in a student its encoder's. */
  batchNormEpsilon?: number
}

/** Turns a list of features into one tensor at the resolution of the image. It knows nothing else of the encoder. */
export interface Decoder {
  readonly spec: DecoderSpec
  /**
   * Builds the layers, with new weights, on symbolic features, fine to coarse, the finest at half the image's resolution
   * and each half of the one before; as many as the spec has stages. Returns a symbolic `[N, H, W, channels.at(-1)]`.
   *
   * @throws FxError `shape-mismatch` when number or sizes of the features do not fit.
   */
  apply(features: readonly SymbolicTensor[], options?: { seed?: number }): SymbolicTensor
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
  const given = options.channels
  if (given !== undefined && (!Array.isArray(given) || given.length === 0)) {
    throw new FxError('invalid-argument', `decoder.channels is ${shown(given)}; it must be a list of numbers`)
  }
  const channels = (given ?? baseChannels.map(c => makeDivisible(c * width))).map(value =>
    integerIn('decoder.channels', value, 1, 4096),
  )
  return {
    channels,
    blocks: eachStage('decoder.blocks', options.blocks ?? 1, channels.length, v =>
      integerIn('decoder.blocks', v, 0, 16),
    ),
    expansion: numberIn('decoder.expansion', options.expansion ?? 2, 1, 16),
    skip: oneOf('decoder.skip', options.skip ?? 'concat', skips),
    upsampling: oneOf('decoder.upsampling', options.upsampling ?? 'bilinear', upsamplings),
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

/** Refuses features that a decoder of `stages` stages cannot join. */
const checkFeatures = (features: readonly SymbolicTensor[], stages: number): void => {
  const sizes = features.map(({ shape }) => `${shape[1]}x${shape[2]}`)
  const halves = features.every(({ shape }, i) => {
    const finer = features[i - 1]
    return finer === undefined || (finer.shape[1] === shape[1]! * 2 && finer.shape[2] === shape[2]! * 2)
  })
  if (features.length === stages && halves) return
  throw new FxError(
    'shape-mismatch',
    `A decoder of ${stages} stages needs ${stages} features, each half the size of the one before; got ${features.length}: ${sizes.join(', ')}`,
    { details: { stages, sizes } },
  )
}

/**
 * The decoder of a UNet (Ronneberger et al. 2015, section 2) built of MobileNet blocks. Each stage narrows by a 1x1
 * convolution while the resolution is still low, doubles it, joins the encoder's feature of that resolution, mixes by a
 * depthwise separable 3x3 convolution, and refines by inverted residuals. The last stage has no feature to join.
 *
 * @throws FxError `invalid-argument` for an unknown skip or upsampling, or a number outside its range.
 */
export const unetDecoder = (options: UnetDecoderOptions = {}): Decoder => {
  const spec = resolve(options)
  const batchNorm = { momentum: spec.batchNormMomentum, epsilon: spec.batchNormEpsilon }
  return {
    spec,
    apply: (features, { seed = 0 } = {}) => {
      checkFeatures(features, spec.channels.length)
      const shared = { batchNorm, seed }
      const join = (x: SymbolicTensor, skip: SymbolicTensor, name: string, filters: number): SymbolicTensor => {
        if (spec.skip === 'concat')
          return layers.concatenate({ name: `${name}_concat` }).apply([x, skip]) as SymbolicTensor
        const narrowed = convBatchNorm(skip, { ...shared, name: `${name}_skip`, filters })
        return layers.add({ name: `${name}_add` }).apply([x, narrowed]) as SymbolicTensor
      }
      return spec.channels.reduce<SymbolicTensor>((input, filters, stage) => {
        const name = `decoder_${stage + 1}`
        let x = convBatchNorm(input, { ...shared, name: `${name}_reduce`, filters })
        x = layers
          .upSampling2d({ name: `${name}_up`, size: [2, 2], interpolation: spec.upsampling })
          .apply(x) as SymbolicTensor
        const skip = features.at(-2 - stage)
        if (skip !== undefined) x = join(x, skip, name, filters)
        x = depthwiseSeparable(x, { ...shared, name, filters })
        for (let block = 1; block <= spec.blocks[stage]!; block++) {
          x = invertedResidual(x, { ...shared, name: `${name}_block_${block}`, filters, expansion: spec.expansion })
        }
        return x
      }, features.at(-1)!)
    },
  }
}
