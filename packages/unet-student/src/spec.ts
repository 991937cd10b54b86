import { FxError, hashJson, integerIn, recordOf } from '@fx/core'
import { type Encoder, type EncoderSpec, encoderFromSpec } from '@fx/mobilenet-encoder'
import { type DecoderSpec, featuresOf, type UnetDecoderOptions, unetDecoder } from './decoder.js'
import type { ImageSize } from './decoder-parts.js'
import { checkHead, type Head, type HeadActivation, type HeadKernelSize } from './head.js'
import { checkParameters, type StudentParameter } from './parameters.js'

/** The version of the StudentSpec format that this code writes and the newest it reads. */
export const STUDENT_FORMAT_VERSION = 2

/**
 * Everything that shapes a student, with no default left open. Plain JSON; equal specs build equal architectures. The seed
 * of the initial weights is not part of it.
 */
export interface StudentSpec {
  formatVersion: typeof STUDENT_FORMAT_VERSION
  /** Size of input and output, pixels. */
  input: ImageSize
  encoder: EncoderSpec
  decoder: DecoderSpec
  head: Head
  headActivation: HeadActivation
  headKernelSize: HeadKernelSize
  /** The effect's parameters that the model takes as its second input, in that order; empty without one. */
  parameters: StudentParameter[]
}

const largestSide = 4096

/**
 * Refuses a size that the encoder cannot halve often enough: its last stage must have more than a pixel to halve. Sides
 * that its strides do not divide are rounded up; the padding `keras` rounds some of them down, which no doubling undoes.
 */
export const checkInputSize = (size: unknown, encoder: Encoder): StudentSpec['input'] => {
  const { height, width } = (typeof size === 'number' ? { height: size, width: size } : (size ?? {})) as Record<
    string,
    unknown
  >
  const stride = encoder.strides.at(-1)!
  const side = (name: string, value: unknown): number => {
    const pixels = integerIn(`inputSize.${name}`, value, Math.floor(stride / 2) + 1, largestSide)
    if (encoder.spec.padding !== 'keras' || pixels % stride === 0) return pixels
    const above = Math.ceil(pixels / stride) * stride
    const near = above > stride ? `${above - stride} and ${above}` : `${above}`
    throw new FxError(
      'invalid-argument',
      `inputSize.${name} is ${pixels}; with the encoder's padding 'keras' it must be divisible by ${stride}, the nearest are ${near}`,
      { details: { name, value, stride } },
    )
  }
  return { height: side('height', height), width: side('width', width) }
}

/** The head's members of a spec, with their defaults in place of what is undefined. */
export const headMembers = (options: { head?: unknown; headActivation?: unknown; headKernelSize?: unknown }) => {
  const { head, activation, kernelSize } = checkHead(options.head, options.headActivation, options.headKernelSize)
  return { head, headActivation: activation, headKernelSize: kernelSize }
}

const members = ['formatVersion', 'input', 'encoder', 'decoder', 'head']
const decoderMembers = [
  'channels',
  'blocks',
  'expansion',
  'skip',
  'upsampling',
  'batchNormMomentum',
  'batchNormEpsilon',
]
/** What version 2 has added to a spec and to its decoder. */
const membersOf2 = ['headActivation', 'headKernelSize', 'parameters']
const decoderMembersOf2 = ['block', 'squeezeExcite', 'resolution']

/**
 * Checks a value (parsed JSON, from anywhere) that claims to be a StudentSpec, of this version or an older one, and gives
 * it in this version.
 *
 * @throws FxError `newer-version` when a newer release wrote it, `invalid-argument` naming the member that is wrong,
 * missing or unknown.
 */
export const parseStudentSpec = (value: unknown): StudentSpec => {
  const version = (value as { formatVersion?: unknown } | null | undefined)?.formatVersion
  if (typeof version === 'number' && version > STUDENT_FORMAT_VERSION) {
    throw new FxError(
      'newer-version',
      `This student spec has format version ${version}; this release reads up to ${STUDENT_FORMAT_VERSION}. Update @fx/unet-student.`,
      { details: { version, supported: STUDENT_FORMAT_VERSION } },
    )
  }
  const first = version === 1
  const spec = recordOf('A student spec', value, first ? members : [...members, ...membersOf2])
  integerIn('formatVersion of a student spec', version, 1, STUDENT_FORMAT_VERSION)
  const encoder = encoderFromSpec(spec.encoder)
  const decoder = unetDecoder(
    recordOf(
      'The decoder of a student spec',
      spec.decoder,
      first ? decoderMembers : [...decoderMembers, ...decoderMembersOf2],
    ) as UnetDecoderOptions,
  )
  checkLevels(encoder, decoder.spec)
  return {
    formatVersion: STUDENT_FORMAT_VERSION,
    input: checkInputSize(recordOf('The input of a student spec', spec.input, ['height', 'width']), encoder),
    encoder: encoder.spec,
    decoder: decoder.spec,
    ...headMembers(spec),
    parameters: first ? [] : checkParameters(spec.parameters),
  }
}

/** Refuses a decoder that takes more or fewer features than the encoder gives. */
export const checkLevels = (encoder: Encoder, decoder: DecoderSpec): void => {
  const features = encoder.channels.length
  if (featuresOf(decoder) === features) return
  const wanted = features - (decoder.resolution === 'half' ? 1 : 0)
  throw new FxError(
    'invalid-argument',
    `decoder.channels has ${decoder.channels.length} entries; this encoder gives ${features} features, so at ${decoder.resolution} resolution it must have ${wanted}`,
  )
}

/** The members of an object that are not among `names`. */
const without = (value: object, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)))

/**
 * The identity of a student's architecture: 64 hex digits, the same for any order of keys, in any process. A student that
 * version 1 could describe has the hash that it had there.
 */
export const studentSpecHash = (spec: StudentSpec): string => {
  const { decoder, head, headActivation, headKernelSize, parameters } = spec
  const { block, squeezeExcite, resolution } = unetDecoder().spec
  const defaults = headMembers({ head })
  const sameAs1 =
    parameters.length === 0 &&
    decoder.block === block &&
    decoder.squeezeExcite === squeezeExcite &&
    decoder.resolution === resolution &&
    headActivation === defaults.headActivation &&
    headKernelSize === defaults.headKernelSize
  if (!sameAs1) return hashJson(spec)
  return hashJson({ ...without(spec, membersOf2), formatVersion: 1, decoder: without(decoder, decoderMembersOf2) })
}
