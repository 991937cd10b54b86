import { FxError, seededRandom } from '@fx/core'
import { type Graph, importLayersModel, optimize } from '@fx/export'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { type UnetStudentOptions, unetStudent } from '@fx/unet-student'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { fakeEngine } from '../test/fake-engine.js'
import { nonNegativeLeastSquares } from './latency/least-squares.js'
import { operatorMs, valuesOf } from './latency/model.js'
import { type Features, features, operatorsOf } from './latency/operators.js'
import {
  fitLatency,
  type LatencyModel,
  parseLatencyModel,
  predictLatency,
  tfjsEngine,
  withoutWeights,
} from './latency.js'

const graphOf = async (width: number, options: Partial<UnetStudentOptions> = {}): Promise<Graph> => {
  const student = unetStudent({ inputSize: 32, encoder: mobilenetEncoder({ width }), ...options })
  const graph = optimize(await importLayersModel(student.model))
  student.dispose()
  return graph
}

let graphs: Graph[]
beforeAll(async () => {
  await tfjsEngine({ backend: 'cpu' })
  graphs = []
  for (const width of [0.1, 0.2, 0.3, 0.4]) {
    graphs.push(await graphOf(width))
    graphs.push(await graphOf(width, { decoder: { width: 0.2, skip: 'add', blocks: 0 }, headKernelSize: 1 }))
  }
})

describe('non-negative least squares', () => {
  test('recovers coefficients, and leaves out what would be negative', () => {
    const random = seededRandom('nnls')
    const rows = Array.from({ length: 40 }, () => Array.from({ length: 5 }, () => random.uniform() * 1000))
    const truth = [3, 0, 0.25, 7, 0]
    const targets = rows.map(row => row.reduce((sum, value, i) => sum + value * truth[i]!, 0))
    for (const [i, value] of nonNegativeLeastSquares(rows, targets).entries()) expect(value).toBeCloseTo(truth[i]!, 8)
    const falling = rows.map((_, i) => 100 - i)
    const line = rows.map((_, i) => [1, i])
    const [constant, slope] = nonNegativeLeastSquares(line, falling)
    expect(slope).toBe(0)
    expect(constant).toBeGreaterThan(60)
  })

  test('columns that are zero or equal do no harm', () => {
    const rows = [1, 2, 3].map(x => [x, x, 0])
    const [a, b, c] = nonNegativeLeastSquares(rows, [2, 4, 6])
    expect(a! + b!).toBeCloseTo(2, 10)
    expect(c).toBe(0)
  })
})

describe('a latency model', () => {
  let model: LatencyModel
  let measured: number

  beforeAll(async () => {
    const engine = fakeEngine()
    model = await fitLatency({ engine, graphs: graphs.map(withoutWeights), seed: 3, operatorsPerKind: 40 })
    measured = engine.measured
  })

  test('is exact for an engine whose operators are linear in what it counts', async () => {
    expect(measured).toBeGreaterThan(100)
    expect(model.error.operators).toMatchObject({ count: expect.any(Number) })
    expect(model.error.operators.count).toBeGreaterThan(10)
    expect(model.error.operators.medianPercent).toBeLessThan(0.01)
    expect(model.error.graphs).toMatchObject({ count: 4 })
    expect(model.error.graphs.medianPercent).toBeLessThan(0.01)
    const unseen = await graphOf(0.35, { decoder: { blocks: 2 } })
    const [truth] = await fakeEngine().measure([unseen], { rounds: 1 })
    expect(predictLatency(model, unseen).ms / truth!).toBeCloseTo(1, 3)
  })

  test('tells where the time goes', () => {
    const { ms, operators } = predictLatency(model, graphs[0]!)
    expect(operators.map(({ name }) => name)).toEqual(operatorsOf(graphs[0]!).map(({ node }) => node.name))
    const { call, perValue } = model.whole
    expect(operators.reduce((sum, each) => sum + each.ms, call + perValue * valuesOf(graphs[0]!))).toBeCloseTo(ms, 9)
  })

  test('never predicts less for more, whatever it was fitted on', async () => {
    const random = seededRandom('noise')
    const noisy = fakeEngine(ms => ms * (0.5 + random.uniform()))
    const rough = await fitLatency({ engine: noisy, graphs, seed: 1 })
    const base: Features = { call: 1, macs: 1e5, paddedMacs: 1e5, inputs: 1e3, outputs: 1e3, weights: 1e3, sigmoids: 0 }
    for (const { coefficients } of Object.values(rough.kinds)) {
      const total = (counted: Features): number => {
        const { call, work } = operatorMs(coefficients, counted)
        return call + work
      }
      const before = total(base)
      for (const name of features) expect(total({ ...base, [name]: 2 * base[name] + 1 })).toBeGreaterThanOrEqual(before)
    }
    const widths = []
    for (const width of [0.1, 0.35, 1]) widths.push(predictLatency(rough, await graphOf(width)).ms)
    expect(widths).toEqual([...widths].sort((a, b) => a - b))
  })

  test('is plain JSON that is checked when it comes back', () => {
    const json = JSON.parse(JSON.stringify(model))
    expect(parseLatencyModel(json)).toEqual(model)
    expect(() => parseLatencyModel({ ...json, formatVersion: 2 })).toThrow(/format version 2/)
    expect(() => parseLatencyModel([])).toThrow(/not a latency model: it must be an object/)
    expect(() => parseLatencyModel({ ...json, whole: { call: -1 } })).toThrow(/whole\.call must be a number from 0/)
    const kinds = { add: { coefficients: { size: 1 } } }
    expect(() => parseLatencyModel({ ...json, kinds })).toThrow(/coefficient for 'size'; features are 'call', 'macs'/)
  })

  test('refuses an operator that was never measured, naming those that were, and knows it once it was', async () => {
    const graph = await graphOf(0.1, { decoder: { upsampling: 'nearest' } })
    expect(() => predictLatency(model, graph)).toThrow(
      /The latency of 'resize nearest' .* measured are .*'conv 1x1'.*'resize bilinear'/,
    )
    const odd = await graphOf(0.1, { inputSize: 33 })
    expect(() => predictLatency(model, odd)).toThrow(/The latency of 'crop' /)
    const knowing = await fitLatency({ engine: fakeEngine(), graphs: [...graphs, odd], seed: 3, operatorsPerKind: 40 })
    const [truth] = await fakeEngine().measure([odd], { rounds: 1 })
    expect(predictLatency(knowing, odd).ms / truth!).toBeCloseTo(1, 3)
  })

  test('needs graphs, and stops when told to', async () => {
    const engine = fakeEngine()
    await expect(fitLatency({ engine, graphs: [] })).rejects.toMatchObject({ code: 'invalid-argument' })
    await expect(fitLatency({ engine, graphs, operatorsPerKind: 1 })).rejects.toThrow(/operatorsPerKind is 1/)
    await expect(fitLatency({ engine, graphs, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' })
    await expect(fitLatency({ engine: fakeEngine(() => 1), graphs })).rejects.toMatchObject({ code: 'unsupported' })
  })
})

test('the same seed measures the same operators', async () => {
  const fits = []
  for (const seed of [1, 1, 2]) fits.push(await fitLatency({ engine: fakeEngine(), graphs, seed, operatorsPerKind: 8 }))
  expect(fits[1]).toEqual(fits[0])
  expect(fits[2]!.error).not.toEqual(fits[0]!.error)
})

test('tfjs measures whole students and single operators, and leaves no tensor behind', async () => {
  const engine = await tfjsEngine({ backend: 'cpu' })
  expect(engine.name).toBe('cpu, 1 thread')
  const before = tf.memory().numTensors
  const small = await graphOf(0.1, { decoder: { width: 0.1, blocks: 0 } })
  const model = await fitLatency({ engine, graphs: [small, small], operatorsPerKind: 4, rounds: 1 })
  expect(tf.memory().numTensors).toBe(before)
  expect(predictLatency(model, small).ms).toBeGreaterThan(0)
  await expect(tfjsEngine({ backend: 'abacus' as 'cpu' })).rejects.toSatisfy(error => FxError.isInstance(error))
})
