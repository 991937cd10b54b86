import { join } from 'node:path'
import { type EffectBundleManifest, type EffectSpec, seededRandom } from '@fx/core'
import * as tfc from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import { type FrozenParameters, freezeEffect } from '../bundle/frozen.js'
import { inputTensors, inputValues, type RgbImage, studentShape, type ValueRange } from '../bundle/image.js'
import { matteModel } from '../bundle/matte.js'
import { type MeasureOptions, measureInterleaved } from '../bundle/measure.js'
import type { GraphModelOptions } from '../graph-model/to-graph-model.js'
import { readGraphModel } from './graph-model-files.js'
import { writeEffectBundle } from './write-effect-bundle.js'

/** A trained student with its history, as training hands it over. It stays the trainer's. */
export interface TrainedStudent {
  model: LayersModel
  specHash: string
  effect: EffectSpec
  provenance: { teacher: string; teacherVersion: string; licences: string[] }
  /** Held-out figures by name. */
  metrics: Record<string, number>
  /** A held-out input of the student's size. */
  probe: RgbImage
  /** Folder of the training run. */
  folder: string
}

/** What became of it. */
export interface ExportedBundle {
  /** Where the bundle lies. */
  folder: string
  /** Largest difference between the bundle as read back and the LayersModel, over the probe and random inputs. */
  maxAbsDiff: number
  /** Median latency of `LayersModel.predict` for one image, ms, values in and values out. */
  layersMsP50: number
  /** Median latency of the bundle's model, measured in turn with it. */
  fusedMsP50: number
}

export interface EffectBundleExporterOptions {
  /** Default: `bundle` in the folder of the run. */
  folder?: string
  /** Name on the model card. Default: the effect's id. */
  name?: string
  description?: string
  /** Licence of the student. Default: the licences of the images it has learned from. */
  licence?: string
  inputRange?: ValueRange
  outputRange?: ValueRange
  crop?: EffectBundleManifest['crop']
  face?: EffectBundleManifest['face']
  /** Makes the student for smaller pictures, see `writeEffectBundle`, of weights of their own. The exporter disposes them. */
  smaller?: (trained: TrainedStudent) => LayersModel[]
  /** Ship what the student paints and where, see `writeEffectBundle`. Default false. */
  matte?: boolean
  /** Ship `model.tflite`, too. Default false. */
  tflite?: boolean
  weights?: GraphModelOptions['weights']
  /** Effect parameters that are fixed in the bundle, by name; see `writeEffectBundle`. */
  freeze?: FrozenParameters
  measure?: MeasureOptions
}

/** Runs both models on the same images and in turn against the clock. */
const compare = async (
  { model, effect, probe }: TrainedStudent,
  exported: tfc.GraphModel,
  inputRange: ValueRange,
  { freeze, matte = false, measure }: EffectBundleExporterOptions,
): Promise<Pick<ExportedBundle, 'maxAbsDiff' | 'layersMsP50' | 'fusedMsP50'>> => {
  const shape = studentShape(model, effect)
  const { asked, shipped } = freezeEffect(model, effect, freeze)
  const reference = matte ? matteModel(model) : model
  const run = async (predictor: LayersModel | tfc.GraphModel, values: Float32Array) => {
    const spec = predictor === exported ? shipped : asked
    const output = tf.tidy(() => predictor.predict(inputTensors(values, shape, spec)) as tf.Tensor)
    try {
      return await output.data()
    } finally {
      output.dispose()
    }
  }
  const [low, high] = inputRange
  const picture = inputValues(probe, shape, inputRange)
  const noise = picture.map(seededRandom('effect bundle check').uniform).map(value => low + value * (high - low))
  let maxAbsDiff = 0
  for (const values of [picture, noise]) {
    const expected = await run(reference, values)
    const actual = await run(exported, values)
    for (let i = 0; i < expected.length; i++) maxAbsDiff = Math.max(maxAbsDiff, Math.abs(expected[i]! - actual[i]!))
  }
  const times = await measureInterleaved(
    { layers: async () => void (await run(model, picture)), fused: async () => void (await run(exported, picture)) },
    measure,
  )
  return { maxAbsDiff, layersMsP50: times.layers, fusedMsP50: times.fused }
}

/**
 * An exporter for the `exporter` member of a distill config: writes the effect bundle, reads it back through stock
 * tfjs-converter, compares it with the LayersModel and measures both on the current backend.
 *
 * @throws FxError as `writeEffectBundle`.
 */
export const effectBundle =
  (options: EffectBundleExporterOptions = {}) =>
  async (trained: TrainedStudent): Promise<ExportedBundle> => {
    const { effect, provenance, metrics, model, probe, specHash } = trained
    const { inputRange = [0, 1], outputRange = [0, 1], crop, face, matte, tflite, weights, freeze } = options
    const folder = options.folder ?? join(trained.folder, 'bundle')
    const smaller = options.smaller?.(trained)
    const manifest = await writeEffectBundle(folder, {
      model,
      effect,
      studentSpecHash: specHash,
      probe,
      inputRange,
      outputRange,
      crop,
      face,
      smaller,
      matte,
      tflite,
      weights,
      freeze,
      card: {
        name: options.name ?? effect.id,
        description: options.description ?? '',
        licence: options.licence ?? provenance.licences.join(' AND '),
        provenance,
        // JSON knows no infinity, which is the PSNR of a perfect answer.
        metrics: Object.fromEntries(Object.entries(metrics).filter(([, value]) => Number.isFinite(value))),
      },
    }).finally(() => {
      for (const student of smaller ?? []) student.dispose()
    })
    const artifacts = await readGraphModel(join(folder, manifest.model.path))
    const exported = await tfc.loadGraphModel(tf.io.fromMemory(artifacts))
    try {
      return { folder, ...(await compare(trained, exported, inputRange, options)) }
    } finally {
      exported.dispose()
    }
  }
