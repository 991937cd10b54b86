import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { type Head, heads, type UnetStudentOptions, unetStudent } from '@fx/unet-student'
import * as tfc from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import * as tfl from '@tensorflow/tfjs-layers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { useBackend } from '../test/backends.js'
import { randomInput, randomiseWeights } from '../test/student.js'
import {
  defaultPasses,
  exportGraphModel,
  type FrozenValues,
  freezeInput,
  type Graph,
  importLayersModel,
  optimize,
} from './index.js'

const parameters = { strength: { min: 0, max: 1 }, hue: { min: -180, max: 180 } }

const student = (options: Partial<UnetStudentOptions>) =>
  unetStudent({ inputSize: 32, encoder: mobilenetEncoder({ width: 0.1, depth: 0.3 }), ...options })

/** A conditioned student whose modulations do something; what its frozen layers compute stays as it is. */
const conditioned = (options: Partial<UnetStudentOptions> = {}) => {
  const made = student({ parameters, ...options })
  const fixed = ['parameters_scaled', 'strength'].map(name => made.model.getLayer(name))
  const kept = fixed.map(layer => layer.getWeights().map(weight => weight.clone()))
  randomiseWeights(made.model, 'freeze')
  for (const [i, layer] of fixed.entries()) layer.setWeights(kept[i]!)
  tf.dispose(kept)
  return made
}

const kinds = ({ nodes }: Graph): string[] => nodes.map(({ op }) => op).sort()

const frozenGraph = async (model: tfl.LayersModel, values: FrozenValues): Promise<Graph> =>
  optimize(await importLayersModel(model), [freezeInput('parameters', values), ...defaultPasses])

/** Largest difference between the model at `values` and its export with some of them frozen. */
const difference = async (model: tfl.LayersModel, values: readonly number[], frozen: FrozenValues): Promise<number> => {
  const artifacts = await exportGraphModel(model, { freeze: { parameters: frozen } })
  const exported = await tfc.loadGraphModel(tf.io.fromMemory(artifacts))
  const image = randomInput([2, 32, 32, 3])
  const result = tf.tidy(() => {
    const all = tf.tensor2d([...values, ...values], [2, values.length])
    const left = values.filter((_, i) => frozen[i] === undefined)
    const rest = left.length === 0 ? [] : [tf.tensor2d([...left, ...left], [2, left.length])]
    const expected = model.predict([image, all]) as tf.Tensor
    const actual = exported.predict([image, ...rest]) as tf.Tensor
    expect(tf.max(tf.abs(tf.sub(expected, tf.mean(expected)))).dataSync()[0]).toBeGreaterThan(0.1)
    return tf.max(tf.abs(tf.sub(expected, actual))).dataSync()[0]!
  })
  exported.dispose()
  image.dispose()
  return result
}

let before = 0
beforeEach(async () => {
  await useBackend('cpu')
  before = tf.memory().numTensors
})
afterEach(() => expect(tf.memory().numTensors).toBe(before))

describe.each(heads)('the head %s', (head: Head) => {
  test('frozen values give what the model gives at them, and a part may stay open', async () => {
    const { model, dispose } = conditioned({ head, decoder: { resolution: head === 'alpha' ? 'half' : 'full' } })
    for (const frozen of [
      [1, 90],
      [0.3, undefined],
      [undefined, -20],
      [undefined, undefined],
      [0, 90],
    ]) {
      const values = frozen.map((value, i) => value ?? [0.7, 45][i]!)
      expect(await difference(model, values, frozen), `[${frozen}]`).toBeLessThan(1e-4)
    }
    dispose()
  })

  test('at full strength the graph has the operations of a student without parameters', async () => {
    const [with_, without] = [conditioned({ head }), student({ head })]
    const frozen = await frozenGraph(with_.model, [1, 30])
    expect(Object.keys(frozen.inputs)).toEqual(['input'])
    // A picture painted anew is blended with the input as long as the strength is open.
    expect(kinds(frozen)).toEqual(kinds(optimize(await importLayersModel(without.model))))
    with_.dispose()
    without.dispose()
  })
})

test.each<[string, Record<string, FrozenValues>, RegExp]>([
  ['another input', { strength: [1] }, /names the input 'strength'; this model has 'input' or 'parameters'/],
  ['too few values', { parameters: [1] }, /1 values for the input 'parameters', whose shape is \[\?, 2\]/],
  ['the image', { input: [1, 2, 3] }, /only an input \[\?, P\] can be frozen/],
  ['no number', { parameters: [Number.NaN, undefined] }, /the value NaN; it must be a finite number/],
])('freezing %s is refused', async (_, freeze, message) => {
  const { model, dispose } = conditioned()
  await expect(exportGraphModel(model, { freeze })).rejects.toMatchObject({
    code: 'invalid-argument',
    message: expect.stringMatching(message),
  })
  dispose()
})

test('what a constant cannot fold into is said', async () => {
  const x = tfl.input({ shape: [4, 4, 2] })
  const values = tfl.input({ name: 'parameters', shape: [2] })
  const map = tfl.layers.reshape({ targetShape: [1, 1, 2] }).apply(values) as tfl.SymbolicTensor
  const outputs = tfl.layers.maximum({ name: 'most' }).apply([x, map]) as tfl.SymbolicTensor
  const model = tfl.model({ inputs: [x, values], outputs })
  await expect(exportGraphModel(model, { freeze: { parameters: [1, 2] } })).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining("cannot fold into 'most' (binary)"),
  })
  await expect(exportGraphModel(model, { freeze: { parameters: [1, undefined] } })).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining('(reshape) reads it whole'),
  })
})
