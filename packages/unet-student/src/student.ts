import { integerIn, oneOf } from '@fx/core'
import { type Encoder, encoderFromSpec, mobilenetEncoder } from '@fx/mobilenet-encoder'
import { input, type LayersModel, model } from '@tensorflow/tfjs-layers'
import { type Decoder, type UnetDecoderOptions, unetDecoder } from './decoder.js'
import { applyHead, type Head, heads } from './head.js'
import {
  checkInputSize,
  checkLevels,
  parseStudentSpec,
  STUDENT_FORMAT_VERSION,
  type StudentSpec,
  studentSpecHash,
} from './spec.js'

export interface UnetStudentOptions {
  /** Side or sides of the image, pixels; divisible by the encoder's last stride (32). */
  inputSize: number | { height: number; width: number }
  /** Default `mobilenetEncoder()`. */
  encoder?: Encoder
  /** Options of `unetDecoder`; width and batch normalisation default to the encoder's. */
  decoder?: UnetDecoderOptions
  /** Default `alpha`. */
  head?: Head
  /** Seed of the initial weights, a whole number. Default 0. The same seed gives the same weights, bit for bit. */
  seed?: number
}

/** A network that turns an image into the image with the effect. */
export interface Student {
  /** `[N, height, width, 3]` RGB in [0, 1] to the same. Standard Keras layers only. */
  readonly model: LayersModel
  readonly spec: StudentSpec
  /** `studentSpecHash(spec)`. */
  readonly specHash: string
  /** Frees the weights. Calling it again does nothing. */
  dispose(): void
}

const build = (spec: StudentSpec, encoder: Encoder, decoder: Decoder, seed: unknown): Student => {
  const initialSeed = integerIn('seed', seed, 0, Number.MAX_SAFE_INTEGER)
  const image = input({ name: 'input', shape: [spec.input.height, spec.input.width, 3] })
  const features = decoder.apply(encoder.apply(image, { seed: initialSeed }), { seed: initialSeed })
  const network = model({
    name: 'unet_student',
    inputs: image,
    outputs: applyHead(spec.head, image, features, initialSeed),
  })
  let disposed = false
  return {
    model: network,
    spec,
    specHash: studentSpecHash(spec),
    dispose: () => {
      if (disposed) return
      disposed = true
      network.dispose()
    },
  }
}

/**
 * A student: MobileNet encoder, UNet decoder of MobileNet blocks, head. The caller owns it and frees it by `dispose()`.
 *
 * @throws FxError `invalid-argument` for a size that does not fit the encoder, an unknown head, or any wrong option of
 * encoder and decoder; nothing is allocated then.
 */
export const unetStudent = (options: UnetStudentOptions): Student => {
  const encoder = options.encoder ?? mobilenetEncoder()
  const { width, batchNormMomentum, batchNormEpsilon } = encoder.spec
  const given = Object.fromEntries(Object.entries(options.decoder ?? {}).filter(([, value]) => value !== undefined))
  const decoder = unetDecoder({ width, batchNormMomentum, batchNormEpsilon, ...given })
  checkLevels(encoder, decoder.spec)
  const spec: StudentSpec = {
    formatVersion: STUDENT_FORMAT_VERSION,
    input: checkInputSize(options.inputSize, encoder),
    encoder: encoder.spec,
    decoder: decoder.spec,
    head: oneOf('head', options.head ?? 'alpha', heads),
  }
  return build(spec, encoder, decoder, options.seed ?? 0)
}

/**
 * The student that a spec (parsed JSON, from anywhere) describes, with new weights.
 *
 * @throws FxError as `parseStudentSpec` does; nothing is allocated then.
 */
export const studentFromSpec = (spec: unknown, options: { seed?: number } = {}): Student => {
  const parsed = parseStudentSpec(spec)
  return build(parsed, encoderFromSpec(parsed.encoder), unetDecoder(parsed.decoder), options.seed ?? 0)
}
