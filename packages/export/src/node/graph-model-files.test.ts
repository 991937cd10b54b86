import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tfc from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import { beforeEach, expect, test } from 'vitest'
import { useBackend } from '../../test/backends.js'
import { randomInput, testStudent } from '../../test/student.js'
import { exportGraphModel } from '../index.js'
import { readGraphModel, writeGraphModel } from '../node.js'

let folder: string
beforeEach(async () => {
  await useBackend('cpu')
  folder = join(await mkdtemp(join(tmpdir(), 'fx-export-')), 'model')
})

test('a model comes back from its files as it was, metadata included', async () => {
  const before = tf.memory().numTensors
  const model = testStudent({ width: 0.5 })
  const artifacts = await exportGraphModel(model, { weights: 'float16', metadata: { effect: 'pink-hair' } })
  await writeGraphModel(folder, artifacts)
  await writeGraphModel(folder, artifacts)
  expect((await readdir(folder)).sort()).toEqual(['model.json', 'weights.bin'])
  const read = await readGraphModel(join(folder, 'model.json'))
  expect(read.userDefinedMetadata).toEqual({ effect: 'pink-hair' })
  expect(new Uint8Array(read.weightData as ArrayBuffer)).toEqual(new Uint8Array(artifacts.weightData as ArrayBuffer))
  const [memory, disk] = await Promise.all([artifacts, read].map(a => tfc.loadGraphModel(tf.io.fromMemory(a))))
  tf.tidy(() => {
    const input = randomInput([1, 32, 32, 3])
    const [expected, actual] = [memory!, disk!].map(graphModel => (graphModel.predict(input) as tf.Tensor).dataSync())
    expect(actual).toEqual(expected)
  })
  for (const disposable of [model, memory!, disk!]) disposable.dispose()
  expect(tf.memory().numTensors).toBe(before)
})

test('what is missing or no model is said', async () => {
  const path = join(folder, 'model.json')
  await expect(readGraphModel(path)).rejects.toMatchObject({ code: 'not-found' })
  const model = testStudent({ width: 0.5 })
  await writeGraphModel(folder, await exportGraphModel(model))
  model.dispose()
  await rm(join(folder, 'weights.bin'))
  await expect(readGraphModel(path)).rejects.toMatchObject({
    code: 'not-found',
    message: expect.stringContaining('weights.bin'),
  })
  await writeFile(path, '{}')
  await expect(readGraphModel(path)).rejects.toMatchObject({ code: 'corrupt-file' })
})
