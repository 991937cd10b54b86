import { FxError, integerIn, listed, numberIn, oneOf, shown } from '@fx/core'
import type { SymbolicTensor } from '@tensorflow/tfjs-layers'
import { defaultBatchNorm, mostBranches, type Padding, paddings } from './convolution.js'
import { type Convention, conventions, type Family } from './families/family.js'
import { v1 } from './families/v1.js'
import { v2 } from './families/v2.js'
import { v3Large, v3Small } from './families/v3.js'
import { v4ConvMedium, v4ConvSmall } from './families/v4.js'

/** The version of the EncoderSpec format that this code writes and the newest it reads. */
export const ENCODER_FORMAT_VERSION = 1

const families = {
  v1,
  v2,
  'v3-small': v3Small,
  'v3-large': v3Large,
  'v4-conv-small': v4ConvSmall,
  'v4-conv-medium': v4ConvMedium,
} as const satisfies Record<string, Family>

export type EncoderFamily = keyof typeof families

/** The MobileNets this package builds. */
export const encoderFamilies = Object.keys(families) as readonly EncoderFamily[]

/**
 * Everything that shapes an encoder, with no default left open. Plain JSON. The optional members came later: at their
 * defaults they are left out, so that an encoder has one spec and older specs (and their hashes) stay as they are.
 */
export interface EncoderSpec {
  formatVersion: typeof ENCODER_FORMAT_VERSION
  family: EncoderFamily
  /** Width multiplier (Howard et al. 2017, section 3.3): every channel count times this, rounded as the convention does. */
  width: number
  /** Depth multiplier: the repeats of every stage of several blocks times this, rounded up. */
  depth: number
  padding: Padding
  batchNormMomentum: number
  batchNormEpsilon: number
  /** Left out: `keras`, for V4 `timm`. */
  convention?: Convention
  /** Left out: false. */
  minimalistic?: true
  /** Left out: 1. */
  branches?: number
}

/** Options of `mobilenetEncoder`: an EncoderSpec in which everything has a default. */
export interface MobilenetEncoderOptions {
  /** Default `v2`. */
  family?: EncoderFamily
  /** Default 1; from 0.05 to 4. */
  width?: number
  /** Default 1; from 0.1 to 4. */
  depth?: number
  /**
   * Whose pretrained weights should fit: it decides how channel counts are rounded, and the defaults of `padding` and
   * `batchNormEpsilon`. Default `keras`; V4, which Keras does not have, is always `timm`.
   */
  convention?: Convention
  /** Default `same`, as in Keras; with the convention `timm` it is `symmetric`, as in PyTorch. */
  padding?: Padding
  /** Default 0.9, from 0 to 1 (Keras's MobileNetV2 has 0.999, which a short training never catches up with). */
  batchNormMomentum?: number
  /** Default 1e-3, as in Keras; with the convention `timm` it is 1e-5. */
  batchNormEpsilon?: number
  /** Only V3: 3x3 kernels, ReLU and no squeeze-excite everywhere, for devices that are slow at those. Default false. */
  minimalistic?: boolean
  /** Parallel convolutions in training for each that is exported, 1 to 8; see `BlockOptions`. Default 1. */
  branches?: number
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
   * `[N, H / stride, W / stride, channels]` for each stride, sides rounded up (at odd sizes not with the padding `keras`).
   * The model made of them owns the weights.
   */
  apply(input: SymbolicTensor, options?: EncoderApplyOptions): SymbolicTensor[]
}

const resolve = (options: MobilenetEncoderOptions): { family: Family; convention: Convention; spec: EncoderSpec } => {
  const name = oneOf('family', options.family ?? 'v2', encoderFamilies)
  const family: Family = families[name]
  const [usual] = family.conventions
  const convention = oneOf('convention', options.convention ?? usual, conventions)
  if (!family.conventions.includes(convention)) {
    throw new FxError(
      'invalid-argument',
      `convention is '${convention}'; for family '${name}' it must be ${listed(family.conventions)}`,
    )
  }
  const minimalistic = options.minimalistic ?? false
  if (typeof minimalistic !== 'boolean' || (minimalistic && !family.minimalistic)) {
    const having = encoderFamilies.filter(other => families[other].minimalistic)
    throw new FxError(
      'invalid-argument',
      `minimalistic is ${shown(minimalistic)} for family '${name}'; it must be true or false, and true only for ${listed(having)}`,
    )
  }
  const branches = integerIn('branches', options.branches ?? 1, 1, mostBranches)
  const timm = convention === 'timm'
  const spec: EncoderSpec = {
    formatVersion: ENCODER_FORMAT_VERSION,
    family: name,
    width: numberIn('width', options.width ?? 1, 0.05, 4),
    depth: numberIn('depth', options.depth ?? 1, 0.1, 4),
    padding: oneOf('padding', options.padding ?? (timm ? 'symmetric' : 'same'), paddings),
    batchNormMomentum: numberIn('batchNormMomentum', options.batchNormMomentum ?? defaultBatchNorm.momentum, 0, 1),
    batchNormEpsilon: numberIn(
      'batchNormEpsilon',
      options.batchNormEpsilon ?? (timm ? 1e-5 : defaultBatchNorm.epsilon),
      1e-8,
      1,
    ),
    ...(convention !== usual && { convention }),
    ...(minimalistic && { minimalistic }),
    ...(branches !== 1 && { branches }),
  }
  return { family, convention, spec }
}

/**
 * A MobileNet as an encoder, of standard Keras layers under Keras's names (`Conv1`, `block_1_expand`, ...), V4 under
 * timm's (`blocks.2.0.dw_start.conv`).
 *
 * The five features, at strides 2, 4, 8, 16 and 32, are those of timm's `features_only`:
 * - `v1` (Howard et al. 2017): the stages of 64, 128, 256, 512 and 1024 channels (times the width);
 * - `v2` (Sandler et al. 2018): 16, 24, 32, 96 and 320, projections, hence linear;
 * - `v3-small` (Howard et al. 2019): the stem, then 16, 24, 48 and 576; `v3-large`: 16, 24, 40, 112 and 960;
 * - `v4-conv-small` (Qin et al. 2024): the stem, then 32, 64, 96 and 960; `v4-conv-medium`: 48, 80, 160 and 960.
 *
 * Heads and classifiers are left out. The input, of any number of channels, is taken as it comes: students feed [0, 1],
 * Keras's pretrained weights want [-1, 1].
 *
 * @throws FxError `invalid-argument` for an unknown family, padding or convention, a number outside its range, or an
 * option that the family does not have.
 */
export const mobilenetEncoder = (options: MobilenetEncoderOptions = {}): Encoder => {
  const { family, convention, spec } = resolve(options)
  const { width, depth, padding, minimalistic = false, branches = 1 } = spec
  const batchNorm = { momentum: spec.batchNormMomentum, epsilon: spec.batchNormEpsilon }
  return {
    spec,
    channels: family.channels({ width, convention }),
    strides: [2, 4, 8, 16, 32],
    apply: (input, { seed = 0 } = {}) =>
      family.apply(input, {
        width,
        depth,
        convention,
        minimalistic,
        block: { batchNorm, padding, branches, seed },
      }),
  }
}

const laterMembers = ['convention', 'minimalistic', 'branches'] as const satisfies readonly (keyof EncoderSpec)[]

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
  const firstMembers = Object.keys(mobilenetEncoder().spec)
  const known: readonly string[] = [...firstMembers, ...laterMembers]
  const unknown = Object.keys(options).find(name => !known.includes(name))
  if (unknown !== undefined) {
    throw new FxError(
      'invalid-argument',
      `An encoder spec has no member '${unknown}'; its members are ${listed(known)}`,
    )
  }
  const missing = firstMembers.find(name => name !== 'formatVersion' && options[name] === undefined)
  if (missing !== undefined) throw new FxError('invalid-argument', `This encoder spec lacks '${missing}'`)
  return encoder
}
