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
import * as tfc from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import { type FrozenParameters, freezeEffect } from '../bundle/frozen.js'
import { inputTensors, inputValues, type RgbImage, studentShape, toBytes, type ValueRange } from '../bundle/image.js'
import { modelCard } from '../bundle/model-card.js'
import { exportGraphModel } from '../export-graph-model.js'
import type { GraphModelOptions } from '../graph-model/to-graph-model.js'
import { writeFolder } from './folder.js'
import { graphModelFiles } from './graph-model-files.js'

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
  /** How weights are stored. Default `float32`. */
  weights?: GraphModelOptions['weights']
  /**
   * Effect parameters that are fixed in the bundle, by name, for instance `{ strength: 1 }`: what they modulate folds away,
   * and the bundle's effect is without them. Default: none.
   */
  freeze?: FrozenParameters
}

/** Largest difference, out of 255, at which a runtime still counts as correct: rounding of two kernels and of resizing. */
const probeTolerance = 2

const rangeOf = ([low, high]: ValueRange, name: string): [number, number] => {
  if (!Number.isFinite(low) || !Number.isFinite(high) || low >= high) {
    throw new FxError('invalid-argument', `${name} is [${low}, ${high}], allowed are two numbers that rise`)
  }
  return [low, high]
}

const runExported = async (artifacts: tf.io.ModelArtifacts, run: (model: tfc.GraphModel) => Promise<Uint8Array>) => {
  const exported = await tfc.loadGraphModel(tf.io.fromMemory(artifacts))
  try {
    return await run(exported)
  } finally {
    exported.dispose()
  }
}

/**
 * Writes the folder that ships: `effect.json`, the exported model, a probe with the LayersModel's answer, a README as
 * model card, and a SHA-256 of each. The exported model is run on the probe first, and a bundle that would answer
 * otherwise than its LayersModel is not written. The folder appears whole or not at all; a former bundle is replaced.
 *
 * @throws FxError `unsupported` (layer, shape of the model, or a wrong answer), `shape-mismatch` (the probe),
 *   `invalid-argument` (effect, ranges, frozen parameters, a folder that holds something else), `not-finite`,
 *   `write-failed`.
 */
export const writeEffectBundle = async (
  folder: string,
  options: EffectBundleOptions,
): Promise<EffectBundleManifest> => {
  const { model, effect, probe, card, studentSpecHash, crop = 'centre-square' } = options
  parseEffectSpec(effect)
  const inputRange = rangeOf(options.inputRange ?? [0, 1], 'inputRange')
  const outputRange = rangeOf(options.outputRange ?? [0, 1], 'outputRange')
  const shape = studentShape(model, effect)
  const values = inputValues(probe, shape, inputRange)
  const { asked, shipped, freeze } = freezeEffect(model, effect, options.freeze)
  const answer = async (predictor: LayersModel | tfc.GraphModel, effect: EffectSpec): Promise<Uint8Array> => {
    const output = tf.tidy(() => predictor.predict(inputTensors(values, shape, effect)) as tf.Tensor)
    try {
      return toBytes(await output.data(), outputRange)
    } finally {
      output.dispose()
    }
  }
  const artifacts = await exportGraphModel(model, { weights: options.weights, freeze })
  const expected = await answer(model, asked)
  const actual = await runExported(artifacts, exported => answer(exported, shipped))
  const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i]!)), 0)
  if (worst > probeTolerance) {
    throw new FxError(
      'unsupported',
      `The exported model differs from the LayersModel by ${worst} of 255 on the probe, allowed are ${probeTolerance}`,
      { details: { difference: worst } },
    )
  }

  const manifest: Omit<EffectBundleManifest, 'files'> = {
    formatVersion: BUNDLE_FORMAT_VERSION,
    effect: shipped,
    studentSpecHash,
    input: { width: shape.width, height: shape.height, range: inputRange },
    output: { range: outputRange },
    crop,
    model: { format: 'tfjs-graph-model', path: 'model/model.json' },
    probe: { input: 'probe/input.rgb', output: 'probe/output.rgb', tolerance: probeTolerance },
    card,
  }
  const files = new Map<string, Uint8Array | string>([
    ['README.md', modelCard(manifest, options.freeze)],
    [manifest.probe.input, probe.data],
    [manifest.probe.output, expected],
  ])
  for (const [name, data] of graphModelFiles(artifacts)) files.set(`model/${name}`, data)
  const whole = parseBundleManifest({
    ...manifest,
    files: [...files].map(([path, data]) => ({ path, size: Buffer.byteLength(data), sha256: sha256Hex(data) })),
  })
  files.set('effect.json', `${JSON.stringify(whole, null, 2)}\n`)
  await writeFolder(folder, files, 'effect.json')
  return whole
}
