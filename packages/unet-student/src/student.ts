import { integerIn } from '@fx/core'
import { type Encoder, encoderFromSpec, mobilenetEncoder } from '@fx/mobilenet-encoder'
import { input, type LayersModel, model } from '@tensorflow/tfjs-layers'
import { type Decoder, type UnetDecoderOptions, unetDecoder } from './decoder.js'
import type { ImageSize } from './decoder-parts.js'
import { applyHead, type Head, type HeadActivation, type HeadKernelSize } from './head.js'
import { checkParameters, parameterInput } from './parameters.js'
import { type Preset, presetOptions } from './presets.js'
import {
  checkInputSize,
  checkLevels,
  headMembers,
  parseStudentSpec,
  STUDENT_FORMAT_VERSION,
  type StudentSpec,
  studentSpecHash,
} from './spec.js'

export interface UnetStudentOptions {
  /** Encoder, decoder and head for a budget; what is given beside it counts instead. Default: none. */
  preset?: Preset
  /** Side or sides of the image, pixels; more than half the encoder's last stride, so from 17 to 4096. */
  inputSize: number | ImageSize
  /** Default `mobilenetEncoder()`. */
  encoder?: Encoder
  /** Options of `unetDecoder`; width and batch normalisation default to the encoder's. */
  decoder?: UnetDecoderOptions
  /** Default `alpha`. */
  head?: Head
  /** One of `headActivations[head]`. Default: `sigmoid`, with the head `residual` `clip`. */
  headActivation?: HeadActivation
  /** Side of the head's convolutions: 3 or 1. Default 3. */
  headKernelSize?: HeadKernelSize
  /**
   * The effect's parameters, as in an effect spec: the model then takes their values as a second input `[N, P]`, in this
   * order. One called `strength` whose range begins at 0 scales the change, so that 0 gives the input back exactly.
   */
  parameters?: Readonly<Record<string, { min: number; max: number }>>
  /** Seed of the initial weights, a whole number. Default 0. The same seed gives the same weights, bit for bit. */
  seed?: number
}

/** A network that turns an image into the image with the effect. */
export interface Student {
  /**
   * `[N, height, width, 3]` RGB in [0, 1] to the same; with parameters, `[image, values]`, the second `[N, P]`. Standard
   * Keras layers only.
   */
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
  const condition = spec.parameters.length > 0 ? parameterInput(spec.parameters) : undefined
  const features = decoder.apply(encoder.apply(image, { seed: initialSeed }), {
    seed: initialSeed,
    values: condition?.values,
    image: spec.input,
  })
  const network = model({
    name: 'unet_student',
    inputs: condition === undefined ? image : [image, condition.input],
    outputs: applyHead(image, features, {
      head: spec.head,
      activation: spec.headActivation,
      kernelSize: spec.headKernelSize,
      upsampling: spec.decoder.upsampling,
      strength: condition?.strength,
      seed: initialSeed,
    }),
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

const defined = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T

/**
 * A student: MobileNet encoder, UNet decoder of MobileNet blocks, head. The caller owns it and frees it by `dispose()`.
 *
 * @throws FxError `invalid-argument` for a size that does not fit the encoder, an unknown preset or head, or any wrong
 * option of encoder and decoder; nothing is allocated then.
 */
export const unetStudent = (options: UnetStudentOptions): Student => {
  const { preset, ...own } = options
  const base = preset === undefined ? undefined : presetOptions(preset, own.encoder)
  const chosen = { ...base, ...defined(own), decoder: { ...base?.decoder, ...defined(own.decoder ?? {}) } }
  const encoder = chosen.encoder ?? mobilenetEncoder()
  const { width, batchNormMomentum, batchNormEpsilon } = encoder.spec
  const decoder = unetDecoder({ width, batchNormMomentum, batchNormEpsilon, ...chosen.decoder })
  checkLevels(encoder, decoder.spec)
  const spec: StudentSpec = {
    formatVersion: STUDENT_FORMAT_VERSION,
    input: checkInputSize(chosen.inputSize, encoder),
    encoder: encoder.spec,
    decoder: decoder.spec,
    ...headMembers(chosen),
    parameters: checkParameters(
      Object.entries(chosen.parameters ?? {}).map(([name, range]) => ({ name, min: range?.min, max: range?.max })),
    ),
  }
  return build(spec, encoder, decoder, chosen.seed ?? 0)
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
