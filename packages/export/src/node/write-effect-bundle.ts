import {
  BUNDLE_FORMAT_VERSION,
  type BundleModelCard,
  type EffectBundleManifest,
  type EffectSpec,
  FxError,
  parseBundleManifest,
  parseEffectSpec,
  sha256Hex,
} from '@fx/core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import type { FrozenParameters } from '../bundle/frozen.js'
import { type RgbImage, resized, studentShape, type ValueRange } from '../bundle/image.js'
import { modelCard } from '../bundle/model-card.js'
import { exportTflite } from '../export-tflite.js'
import type { GraphModelOptions } from '../graph-model/to-graph-model.js'
import { exportStudent, probeTolerance, type StudentExportOptions } from './export-student.js'
import { writeFolder } from './folder.js'

export interface EffectBundleOptions {
  /**
   * The student: `[N, height, width, 3]` of a fixed size to the same, and optionally a second input `[N, P]`, the
   * effect's parameters in the order of the spec. Stays the caller's.
   */
  model: LayersModel
  effect: EffectSpec
  studentSpecHash: string
  /** A picture of the student's size on which runtimes prove that they compute correctly; best a held-out input. */
  probe: RgbImage
  card: BundleModelCard
  /** What 0-255 is in the student's input. Default [0, 1]. */
  inputRange?: ValueRange
  /** What 0-255 is in the student's output. Default [0, 1]. */
  outputRange?: ValueRange
  /** How a frame becomes an input. Default `centre-square`. */
  crop?: EffectBundleManifest['crop']
  /** Of the crop 'face', and of no other: how the square lies about the face's box. */
  face?: EffectBundleManifest['face']
  /**
   * The same student built for smaller pictures, each smaller than the one before and than `model`: what a runtime takes on
   * a device for which `model` is too slow. They stay the caller's. Default: none.
   */
  smaller?: readonly LayersModel[]
  /**
   * Ship what the student paints and where, 4 channels, instead of the picture: the runtime then lays it over the whole
   * frame at the frame's own sharpness. For a student whose head is `alpha`, with equal ranges. Default false.
   */
  matte?: boolean
  /** Ship `model.tflite` beside the GraphModel, for LiteRT.js. Default false. */
  tflite?: boolean
  /** How weights of the GraphModel are stored. Default `float32`. */
  weights?: GraphModelOptions['weights']
  /**
   * Effect parameters that are fixed in the bundle, by name, for instance `{ strength: 1 }`: what they modulate folds away,
   * and the bundle's effect is without them. Default: none.
   */
  freeze?: FrozenParameters
}

const rangeOf = ([low, high]: ValueRange, name: string): [number, number] => {
  if (!Number.isFinite(low) || !Number.isFinite(high) || low >= high) {
    throw new FxError('invalid-argument', `${name} is [${low}, ${high}], allowed are two numbers that rise`)
  }
  return [low, high]
}

/** The crop and its figures, as the manifest has them. */
const cropOf = ({ crop = 'centre-square', face }: EffectBundleOptions): Pick<EffectBundleManifest, 'crop' | 'face'> => {
  if ((crop === 'face') !== (face !== undefined)) {
    const given = face === undefined ? 'face is missing' : 'face is given'
    throw new FxError(
      'invalid-argument',
      `crop is '${crop}' and ${given}; the crop 'face' has a face, others have none`,
    )
  }
  if (face === undefined) return { crop }
  if (!(face.scale > 0 && Number.isFinite(face.scale) && Number.isFinite(face.raise))) {
    throw new FxError(
      'invalid-argument',
      `face is { scale: ${face.scale}, raise: ${face.raise} }, allowed are a scale above 0 and a finite raise`,
    )
  }
  return { crop, face: { scale: face.scale, raise: face.raise } }
}

/** Exports the smaller students, each proven on the probe at its size. */
const exportSmaller = async (
  { model, smaller = [], effect, probe }: EffectBundleOptions,
  options: StudentExportOptions,
) => {
  const shapes = [model, ...smaller].map(student => studentShape(student, effect))
  const students = []
  for (const [i, student] of smaller.entries()) {
    const [larger, shape] = [shapes[i]!, shapes[i + 1]!]
    if (shape.width >= larger.width || shape.height >= larger.height) {
      throw new FxError(
        'invalid-argument',
        `smaller[${i}] is ${shape.width}x${shape.height}; it must be smaller than ${larger.width}x${larger.height}, the one before`,
      )
    }
    if (shape.parameters !== larger.parameters) {
      throw new FxError(
        'invalid-argument',
        `smaller[${i}] takes ${shape.parameters} parameters; it must take ${larger.parameters}, as the model does`,
      )
    }
    const { files } = await exportStudent(student, resized(probe, shape), options)
    const { width, height } = shape
    students.push({ width, height, folder: `model-${width}x${height}`, files })
  }
  return students
}

/**
 * Writes the folder that ships: `effect.json`, the exported models, a probe with the LayersModel's answer, a README as
 * model card, and a SHA-256 of each. Every exported GraphModel is run on the probe first, and a bundle that would answer
 * otherwise than its LayersModel is not written. The folder appears whole or not at all; a former bundle is replaced.
 *
 * @throws FxError `unsupported` (layer, shape of the model, or a wrong answer), `shape-mismatch` (the probe),
 *   `invalid-argument` (effect, ranges, crop, smaller students, frozen parameters, a folder that holds something else),
 *   `not-finite`, `write-failed`.
 */
export const writeEffectBundle = async (
  folder: string,
  options: EffectBundleOptions,
): Promise<EffectBundleManifest> => {
  const { model, effect, probe, card, studentSpecHash, matte = false, tflite = false } = options
  parseEffectSpec(effect)
  const inputRange = rangeOf(options.inputRange ?? [0, 1], 'inputRange')
  const outputRange = rangeOf(options.outputRange ?? [0, 1], 'outputRange')
  if (matte && String(inputRange) !== String(outputRange)) {
    throw new FxError(
      'invalid-argument',
      `outputRange is [${outputRange}]; with a matte it must be the inputRange, [${inputRange}]`,
    )
  }
  const crop = cropOf(options)
  const { weights, freeze } = options
  const exporting = { effect, inputRange, outputRange, weights, freeze, matte }
  const student = await exportStudent(model, probe, exporting)
  const smaller = await exportSmaller(options, exporting)

  const manifest: Omit<EffectBundleManifest, 'files'> = {
    formatVersion: BUNDLE_FORMAT_VERSION,
    effect: student.shipped,
    studentSpecHash,
    input: { width: student.shape.width, height: student.shape.height, range: inputRange },
    output: { range: outputRange, ...(matte ? { channels: 4 } : {}) },
    ...crop,
    model: {
      format: 'tfjs-graph-model',
      path: 'model/model.json',
      ...(smaller.length === 0
        ? {}
        : {
            smaller: smaller.map(({ width, height, folder }) => ({ width, height, path: `${folder}/model.json` })),
          }),
    },
    ...(tflite ? { tflite: { path: 'model.tflite' } } : {}),
    probe: { input: 'probe/input.rgb', output: 'probe/output.rgb', tolerance: probeTolerance },
    card,
  }
  const files = new Map<string, Uint8Array | string>([
    ['README.md', modelCard(manifest, freeze)],
    [manifest.probe.input, probe.data],
    [manifest.probe.output, student.answer],
  ])
  for (const { folder, files: modelFiles } of [{ folder: 'model', ...student }, ...smaller]) {
    for (const [name, data] of modelFiles) files.set(`${folder}/${name}`, data)
  }
  if (manifest.tflite !== undefined) {
    const description = `${card.name}: the effect ${effect.id}`
    files.set(manifest.tflite.path, await exportTflite(student.source, { freeze: student.freeze, description }))
  }
  const whole = parseBundleManifest({
    ...manifest,
    files: [...files].map(([path, data]) => ({ path, size: Buffer.byteLength(data), sha256: sha256Hex(data) })),
  })
  files.set('effect.json', `${JSON.stringify(whole, null, 2)}\n`)
  await writeFolder(folder, files, 'effect.json')
  return whole
}
