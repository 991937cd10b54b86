import { FxError, numberIn, oneOf, shown } from '@fx/core'
import type { SymbolicTensor } from '@tensorflow/tfjs-layers'
import { defaultBatchNorm, type Padding } from './blocks.js'
import { applyV2, v2Channels } from './v2.js'

/** The version of the EncoderSpec format that this code writes and the newest it reads. */
export const ENCODER_FORMAT_VERSION = 1

/** The MobileNet generations this package builds. */
export const encoderFamilies = ['v2'] as const
export type EncoderFamily = (typeof encoderFamilies)[number]

const paddings = ['same', 'symmetric'] as const satisfies readonly Padding[]

/** Everything that shapes an encoder, with no default left open. Plain JSON. */
export interface EncoderSpec {
  formatVersion: typeof ENCODER_FORMAT_VERSION
  family: EncoderFamily
  /** Width multiplier (Howard et al. 2017, section 3.3): every channel count times this, rounded by `makeDivisible`. */
  width: number
  /** Depth multiplier: the repeats of every stage of several blocks times this, rounded up. */
  depth: number
  padding: Padding
  batchNormMomentum: number
  batchNormEpsilon: number
}

/** Options of `mobilenetEncoder`: an EncoderSpec in which everything has a default. */
export interface MobilenetEncoderOptions {
  /** Default `v2`. */
  family?: EncoderFamily
  /** Default 1; from 0.05 to 4. */
  width?: number
  /** Default 1; from 0.1 to 4. */
  depth?: number
  /** Default `same`, as in Keras; `symmetric` for weights trained in PyTorch. */
  padding?: Padding
  /** Default 0.9, from 0 to 1 (Keras's MobileNetV2 has 0.999, which a short training never catches up with). */
  batchNormMomentum?: number
  /** Default 1e-3, as in Keras; timm's PyTorch weights have 1e-5. */
  batchNormEpsilon?: number
}

/** Options of one application of an encoder. */
export interface EncoderApplyOptions {
  /** Seed of the initial weights. Default 0. */
  seed?: number
}

/**
 * Turns an image into features of several resolutions. A decoder needs no more than this to know about an encoder, so
 * any object of this shape will do.
 */
export interface Encoder {
  readonly spec: EncoderSpec
  /** Channels of the features, fine to coarse. */
  readonly channels: readonly number[]
  /** The input's side over each feature's, fine to coarse. */
  readonly strides: readonly number[]
  /**
   * Builds the layers, with new weights, on a symbolic `[N, H, W, C]`. Returns one symbolic
   * `[N, H / stride, W / stride, channels]` for each stride, sides rounded up. The model made of them owns the weights.
   */
  apply(input: SymbolicTensor, options?: EncoderApplyOptions): SymbolicTensor[]
}

/**
 * A MobileNet as an encoder, of standard Keras layers under Keras's names (`Conv1`, `block_1_expand`, ...).
 *
 * V2 (Sandler et al. 2018, table 2) gives the outputs of the stages 16, 24, 32, 96 and 320 (times the width) at strides
 * 2, 4, 8, 16, 32, the taps of timm's `features_only`. They are projections, hence linear. The 1280-channel head is left
 * out. The input is taken as it comes: students feed [0, 1], Keras's pretrained weights want [-1, 1].
 *
 * @throws FxError `invalid-argument` for an unknown family or padding, or a number outside its range.
 */
export const mobilenetEncoder = (options: MobilenetEncoderOptions = {}): Encoder => {
  const spec: EncoderSpec = {
    formatVersion: ENCODER_FORMAT_VERSION,
    family: oneOf('family', options.family ?? 'v2', encoderFamilies),
    width: numberIn('width', options.width ?? 1, 0.05, 4),
    depth: numberIn('depth', options.depth ?? 1, 0.1, 4),
    padding: oneOf('padding', options.padding ?? 'same', paddings),
    batchNormMomentum: numberIn('batchNormMomentum', options.batchNormMomentum ?? defaultBatchNorm.momentum, 0, 1),
    batchNormEpsilon: numberIn('batchNormEpsilon', options.batchNormEpsilon ?? defaultBatchNorm.epsilon, 1e-8, 1),
  }
  return {
    spec,
    channels: v2Channels(spec),
    strides: [2, 4, 8, 16, 32],
    apply: (input, { seed = 0 } = {}) => applyV2(spec, input, seed),
  }
}

/**
 * The encoder that a spec (parsed JSON, from anywhere) describes.
 *
 * @throws FxError `newer-version` when a newer release wrote it, `invalid-argument` naming the member that is wrong,
 * missing or unknown.
 */
export const encoderFromSpec = (spec: unknown): Encoder => {
  if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) {
    throw new FxError('invalid-argument', `An encoder spec must be an object, not ${shown(spec)}`)
  }
  const { formatVersion, ...options } = spec as Record<string, unknown>
  if (typeof formatVersion === 'number' && formatVersion > ENCODER_FORMAT_VERSION) {
    throw new FxError(
      'newer-version',
      `This encoder spec has format version ${formatVersion}; this release reads up to ${ENCODER_FORMAT_VERSION}. Update @fx/mobilenet-encoder.`,
      { details: { version: formatVersion, supported: ENCODER_FORMAT_VERSION } },
    )
  }
  if (formatVersion !== ENCODER_FORMAT_VERSION) {
    throw new FxError(
      'invalid-argument',
      `formatVersion of an encoder spec is ${shown(formatVersion)}; it must be ${ENCODER_FORMAT_VERSION}`,
    )
  }
  const encoder = mobilenetEncoder(options)
  for (const name of new Set([...Object.keys(options), ...Object.keys(encoder.spec)])) {
    if (name === 'formatVersion') continue
    if (!(name in encoder.spec)) throw new FxError('invalid-argument', `An encoder spec has no member '${name}'`)
    if (options[name] === undefined) throw new FxError('invalid-argument', `This encoder spec lacks '${name}'`)
  }
  return encoder
}
