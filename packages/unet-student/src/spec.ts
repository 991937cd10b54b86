import { FxError, hashJson, integerIn, oneOf, recordOf } from '@fx/core'
import { type Encoder, type EncoderSpec, encoderFromSpec } from '@fx/mobilenet-encoder'
import { type DecoderSpec, type UnetDecoderOptions, unetDecoder } from './decoder.js'
import { type Head, heads } from './head.js'

/** The version of the StudentSpec format that this code writes and the newest it reads. */
export const STUDENT_FORMAT_VERSION = 1

/**
 * Everything that shapes a student, with no default left open. Plain JSON; equal specs build equal architectures. The seed
 * of the initial weights is not part of it.
 */
export interface StudentSpec {
  formatVersion: typeof STUDENT_FORMAT_VERSION
  /** Size of input and output, pixels. */
  input: { height: number; width: number }
  encoder: EncoderSpec
  decoder: DecoderSpec
  head: Head
}

const largestSide = 4096

/** Refuses a size that the encoder cannot halve often enough, and says which are near. */
export const checkInputSize = (size: unknown, encoder: Encoder): StudentSpec['input'] => {
  const { height, width } = (typeof size === 'number' ? { height: size, width: size } : (size ?? {})) as Record<
    string,
    unknown
  >
  const stride = encoder.strides.at(-1)!
  const side = (name: string, value: unknown): number => {
    const pixels = integerIn(`inputSize.${name}`, value, 1, largestSide)
    if (pixels % stride === 0) return pixels
    const above = Math.ceil(pixels / stride) * stride
    const near = above > stride ? `${above - stride} and ${above}` : `${above}`
    throw new FxError(
      'invalid-argument',
      `inputSize.${name} is ${pixels}; it must be divisible by ${stride}, the nearest are ${near}`,
      { details: { name, value, stride } },
    )
  }
  return { height: side('height', height), width: side('width', width) }
}

/**
 * Checks a value (parsed JSON, from anywhere) that claims to be a StudentSpec.
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
  const spec = recordOf('A student spec', value, ['formatVersion', 'input', 'encoder', 'decoder', 'head'])
  integerIn('formatVersion of a student spec', version, 1, STUDENT_FORMAT_VERSION)
  const encoder = encoderFromSpec(spec.encoder)
  const decoder = unetDecoder(
    recordOf('The decoder of a student spec', spec.decoder, [
      'channels',
      'blocks',
      'expansion',
      'skip',
      'upsampling',
      'batchNormMomentum',
      'batchNormEpsilon',
    ]) as UnetDecoderOptions,
  )
  checkLevels(encoder, decoder.spec)
  return {
    formatVersion: STUDENT_FORMAT_VERSION,
    input: checkInputSize(recordOf('The input of a student spec', spec.input, ['height', 'width']), encoder),
    encoder: encoder.spec,
    decoder: decoder.spec,
    head: oneOf('head', spec.head, heads),
  }
}

/** Refuses a decoder whose stages are not as many as the encoder's features. */
export const checkLevels = (encoder: Encoder, decoder: DecoderSpec): void => {
  if (decoder.channels.length === encoder.channels.length) return
  throw new FxError(
    'invalid-argument',
    `decoder.channels has ${decoder.channels.length} entries; this encoder gives ${encoder.channels.length} features, so it must have as many`,
  )
}

/** The identity of a student's architecture: 64 hex digits, the same for any order of keys, in any process. */
export const studentSpecHash = (spec: StudentSpec): string => hashJson(spec)
