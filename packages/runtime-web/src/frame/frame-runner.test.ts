import type { EffectBundleManifest } from '@fx/core'
import { exportGraphModel } from '@fx/export'
import '@tensorflow/tfjs-backend-cpu'
import '@tensorflow/tfjs-backend-wasm'
import { type GraphModel, loadGraphModel } from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import * as tfl from '@tensorflow/tfjs-layers'
import { afterEach, describe, expect, test } from 'vitest'
import { createFrameRunner } from './frame-runner.js'

const manifest = (more: Partial<EffectBundleManifest> = {}): EffectBundleManifest => ({
  formatVersion: 1,
  effect: { id: 'test', prompt: '', parameters: {} },
  studentSpecHash: '',
  input: { width: 5, height: 3, range: [0, 1] },
  output: { range: [0, 1] },
  crop: 'stretch',
  model: { format: 'tfjs-graph-model', path: 'model.json' },
  probe: { input: 'a', output: 'b', tolerance: 2 },
  card: {
    name: '',
    description: '',
    licence: '',
    provenance: { teacher: '', teacherVersion: '', licences: [] },
    metrics: {},
  },
  files: [],
  ...more,
})

const exported = async (model: tfl.LayersModel): Promise<GraphModel> => {
  const graphModel = await loadGraphModel(tf.io.fromMemory(await exportGraphModel(model)))
  model.dispose()
  return graphModel
}

/** y = gain * x + offset for each channel. */
const line = (gain: number, offset: number): Promise<GraphModel> => {
  const layer = tfl.layers.rescaling({ scale: gain, offset, inputShape: [3, 5, 3] } as never)
  return exported(tfl.sequential({ layers: [layer] }))
}

/** y = x * p, with p the effect's parameter. */
const conditioned = (): Promise<GraphModel> => {
  const image = tfl.input({ shape: [3, 5, 3] })
  const parameter = tfl.input({ shape: [1] })
  const gain = tfl.layers.reshape({ targetShape: [1, 1, 1] }).apply(parameter) as tfl.SymbolicTensor
  const output = tfl.layers.multiply().apply([image, gain]) as tfl.SymbolicTensor
  return exported(tfl.model({ inputs: [image, parameter], outputs: output }))
}

const frame = Uint8ClampedArray.from({ length: 60 }, (_, i) => (i % 4 === 3 ? 7 : (i * 37) % 256))
const mapped = (map: (byte: number) => number) =>
  Uint8ClampedArray.from(frame, (byte, i) => (i % 4 === 3 ? 255 : map(byte)))

describe.each(['cpu', 'wasm'])('on %s', backend => {
  let model: GraphModel
  afterEach(() => {
    model.dispose()
    expect(tf.memory().numTensors).toBe(0)
  })

  const runner = async (make: () => Promise<GraphModel>, more?: Partial<EffectBundleManifest>) => {
    await tf.setBackend(backend)
    model = await make()
    return createFrameRunner(model, manifest(more))
  }

  test('bytes pass through an identity unchanged, alpha becomes opaque', async () => {
    const { run, dispose } = await runner(() => line(1, 0))
    expect(await run(frame)).toEqual(mapped(byte => byte))
    dispose()
  })

  test('outputs beyond the range are clamped', async () => {
    const { run, dispose } = await runner(() => line(2, -0.5))
    expect(await run(frame)).toEqual(mapped(byte => Math.min(255, Math.max(0, Math.round(2 * byte - 127.5 + 1e-9)))))
    dispose()
  })

  test('the ranges of the manifest are honoured', async () => {
    const ranges = {
      input: { width: 5, height: 3, range: [-1, 1] as [number, number] },
      output: { range: [-2, 2] as [number, number] },
    }
    const { run, dispose } = await runner(() => line(2, 0), ranges)
    expect(await run(frame)).toEqual(mapped(byte => byte))
    dispose()
  })

  test('frames leave no tensor, and each has its own result', async () => {
    const { run, dispose } = await runner(() => line(1, 0))
    const first = await run(frame)
    const before = tf.memory().numTensors
    for (let i = 0; i < 5; i++) await run(new Uint8ClampedArray(60))
    expect(tf.memory().numTensors).toBe(before)
    expect(first).toEqual(mapped(byte => byte))
    dispose()
  })

  test('a student without parameters says so', async () => {
    const effect = { id: 'test', prompt: '', parameters: { strength: { min: 0, max: 1, default: 0 } } }
    const { run, dispose } = await runner(() => line(1, 0), { effect })
    await expect(run(frame, { strength: 1 })).rejects.toMatchObject({ code: 'invalid-argument' })
    expect(await run(frame)).toEqual(mapped(byte => byte))
    dispose()
  })

  test('a parameter reaches the second input, and without one its default does', async () => {
    const effect = { id: 'test', prompt: '', parameters: { strength: { min: 0, max: 1, default: 0 } } }
    const { run, dispose } = await runner(conditioned, { effect })
    expect(await run(frame)).toEqual(mapped(() => 0))
    expect(await run(frame, { strength: 1 })).toEqual(mapped(byte => byte))
    await expect(run(frame, { strength: 2 })).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(/2.*0 to 1/),
    })
    await expect(run(frame, { power: 1 })).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining("'strength'"),
    })
    await expect(run(frame.subarray(4))).rejects.toMatchObject({
      code: 'shape-mismatch',
      message: expect.stringMatching(/56.*5x3/),
    })
    dispose()
  })
})
