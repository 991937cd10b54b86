import { type EffectSpec, parseEffectSpec } from './effect.js'
import { FxError } from './errors.js'
import { list, number, object, oneOf, optional, record, text } from './shape.js'

/** The version of the effect-bundle format that this code writes and the newest it reads. */
export const BUNDLE_FORMAT_VERSION = 1

/** One file of a bundle, by its path relative to `effect.json`. */
export interface BundleFile {
  path: string
  /** Bytes. */
  size: number
  /** SHA-256, hex. */
  sha256: string
}

/** A picture and its answer, stored in the bundle, by which an engine proves on the device that it computes correctly. */
export interface BundleProbe {
  /** Path of raw RGB bytes, HWC, 0-255, of `width` x `height`. */
  input: string
  /** Path of the expected raw RGB bytes; those of an answer of 4 channels laid over the input. */
  output: string
  /** Largest per-value difference, out of 255, that still counts as correct. */
  tolerance: number
}

/** What a person should know before shipping the effect. */
export interface BundleModelCard {
  name: string
  description: string
  /** SPDX id or a sentence. */
  licence: string
  /** Which teacher made the pairs, and under which licences its images stand. */
  provenance: { teacher: string; teacherVersion: string; licences: string[] }
  /** Held-out figures of the report, by name. */
  metrics: Record<string, number>
}

/** `effect.json`: everything a runtime needs to run the effect, and everything a person needs to trust it. */
export interface EffectBundleManifest {
  formatVersion: typeof BUNDLE_FORMAT_VERSION
  effect: EffectSpec
  studentSpecHash: string
  /** The student's input: NHWC `[1, height, width, 3]`, RGB, float32, the image's 0-255 scaled to `range`. */
  input: { width: number; height: number; range: [number, number] }
  /**
   * The student's output: same height and width, values in `range`. With 4 `channels` (3 by default) the last, from 0 to 1
   * whatever the range, is how much of a pixel is the student's: straight alpha, over the frame.
   */
  output: { range: [number, number]; channels?: 3 | 4 }
  /** What of a frame becomes an input: all of it, its largest centred square, or a square around each face. */
  crop: 'stretch' | 'centre-square' | 'face'
  /** Of the crop 'face'. */
  face?: {
    /** Side of the square, in sides of the face's box: 2 leaves room for the hair. */
    scale: number
    /** How far the square lies above the middle of the face, in sides of the face's box. */
    raise: number
  }
  model: {
    format: 'tfjs-graph-model'
    path: string
    /** The same student for smaller pictures, the largest first: what a device takes for which `path` is too slow. */
    smaller?: { width: number; height: number; path: string }[]
  }
  /** The same student as a TensorFlow Lite file, float32, one picture. */
  tflite?: { path: string }
  probe: BundleProbe
  card: BundleModelCard
  /** Every file of the bundle but `effect.json` itself. */
  files: BundleFile[]
}

const relativePath = text(/^(?!\/)(?!.*(^|\/)\.\.(\/|$))[\w./-]+$/, 'must be a path inside the bundle')
const valueRange = list(number(), 2)
const side = number('a whole number above 0', value => Number.isInteger(value) && value > 0)

const manifest = object({
  formatVersion: oneOf(BUNDLE_FORMAT_VERSION),
  studentSpecHash: text(),
  input: object({ width: side, height: side, range: valueRange }),
  output: object({ range: valueRange, channels: optional(oneOf(3, 4)) }),
  crop: oneOf('stretch', 'centre-square', 'face'),
  face: optional(object({ scale: number('a number above 0', value => value > 0), raise: number() })),
  model: object({
    format: oneOf('tfjs-graph-model'),
    path: relativePath,
    smaller: optional(list(object({ width: side, height: side, path: relativePath }))),
  }),
  tflite: optional(object({ path: relativePath })),
  probe: object({ input: relativePath, output: relativePath, tolerance: number() }),
  card: object({
    name: text(),
    description: text(),
    licence: text(),
    provenance: object({ teacher: text(), teacherVersion: text(), licences: list(text()) }),
    metrics: record(number()),
  }),
  files: list(
    object({
      path: relativePath,
      size: number('a whole number from 0', value => Number.isInteger(value) && value >= 0),
      sha256: text(/^[0-9a-f]{64}$/, 'must be 64 hex digits'),
    }),
  ),
})

/**
 * Checks the contents of an `effect.json`, already parsed from JSON.
 *
 * @throws FxError `newer-version` when it was written by a newer format, `corrupt-file` naming the member that is wrong.
 */
export const parseBundleManifest = (value: unknown): EffectBundleManifest => {
  const version = (value as { formatVersion?: unknown } | null)?.formatVersion
  if (typeof version === 'number' && version > BUNDLE_FORMAT_VERSION) {
    throw new FxError(
      'newer-version',
      `This effect bundle has format version ${version}; this runtime reads up to ${BUNDLE_FORMAT_VERSION}. Update @fx/runtime-web.`,
      { details: { version, supported: BUNDLE_FORMAT_VERSION } },
    )
  }
  const wrong = manifest(value, '')
  if (wrong !== undefined) throw new FxError('corrupt-file', `Not an effect.json: ${wrong}`)
  const { crop, face, effect } = value as EffectBundleManifest
  if (crop === 'face' && face === undefined) {
    throw new FxError('corrupt-file', "Not an effect.json: crop is 'face', but there is no member face")
  }
  parseEffectSpec(effect)
  return value as EffectBundleManifest
}
