import { spawn } from 'node:child_process'
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { prepareBackend } from '@fx/backend'
import { openCheckpoint } from '@fx/weights/node'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { discs, tinyTraining } from '../../../test/discs.js'
import { temporaryFolder } from '../../../test/folder.js'
import { decodePng, type TrainingEvent } from '../../index.js'
import { readStylegan2 } from '../../stylegan2.js'
import {
  defineStylegan2Training,
  readSnapshot,
  type Stylegan2TrainingConfig,
  trainStylegan2,
  writeSnapshot,
} from '../../stylegan2-training.js'

const at = temporaryFolder()
beforeAll(() => prepareBackend({ backend: 'wasm', threads: 1 }))

/** What a snapshot decides of the rest of a training: everything but the clock. */
const essence = async (folder: string): Promise<unknown> => {
  const { trainer, fingerprint, window } = (await readSnapshot(`${folder}/snapshot.safetensors`))!
  const tensors = [...trainer.tensors].sort(([a], [b]) => (a < b ? -1 : 1))
  return { ...trainer, tensors, fingerprint, steps: window?.steps }
}
const linesOf = async (path: string): Promise<string[]> => (await readFile(path, 'utf8')).trim().split('\n')
/** Images of each line of the log. */
const logged = async (folder: string): Promise<number[]> =>
  (await linesOf(`${folder}/log.jsonl`)).map(line => JSON.parse(line).images)

const program = fileURLToPath(new URL('../../../test/train-stylegan2.ts', import.meta.url))

/** Runs the training in a process of its own that is killed once it has shown so many images. */
const killedAt = (folder: string, backend: string, images: number): Promise<string | null> => {
  const options = ['--conditions=@fx/source', '--import', 'tsx', program, folder, backend, String(images)]
  // Nothing is shared with it: what it has started may outlive it, and would hold a shared stream open.
  const child = spawn(process.execPath, options, { stdio: 'ignore' })
  return new Promise(done => child.on('exit', (_, signal) => done(signal)))
}

describe.each(['cpu', 'wasm'] as const)('on %s', backend => {
  // On cpu a smaller batch, for the test's speed.
  const batch = tinyTraining('', backend).batchSize!
  const name = (what: string, batches: number) => `${what}-00000.0${String(batches * batch).padStart(2, '0')}`
  test('a training that is killed and started again ends bit for bit as an unbroken one', async () => {
    await trainStylegan2(tinyTraining(at('whole'), backend))
    expect(await killedAt(at('broken'), backend, 3 * batch)).toBe('SIGKILL')
    const before = tf.memory().numTensors
    const { alreadyFinished } = await trainStylegan2(tinyTraining(at('broken'), backend))
    expect(alreadyFinished).toBe(false)
    expect(tf.memory().numTensors).toBe(before)
    expect(await essence(at('broken'))).toEqual(await essence(at('whole')))
    expect(await readFile(at('broken', 'frechet.csv'), 'utf8')).toBe(await readFile(at('whole', 'frechet.csv'), 'utf8'))
    expect(await logged(at('broken'))).toEqual([2 * batch, 4 * batch, 5 * batch])
    expect((await readdir(at('broken'))).sort()).toEqual([
      'frechet.csv',
      `${name('grid', 0)}.png`,
      `${name('grid', 4)}.png`,
      `${name('grid', 5)}.png`,
      'log.jsonl',
      `${name('network', 4)}.safetensors`,
      `${name('network', 5)}.safetensors`,
      'snapshot.safetensors',
      'training.json',
    ])
    for (const file of [`${name('grid', 4)}.png`, `${name('grid', 5)}.png`, `${name('network', 5)}.safetensors`]) {
      expect(await readFile(at('broken', file)), file).toEqual(await readFile(at('whole', file)))
    }
  }, 600_000)
})

const trained = async (name: string, change: Partial<Stylegan2TrainingConfig> = {}) =>
  trainStylegan2(tinyTraining(at(name), 'wasm', { frechet: false, totalImages: 8, ...change }))

test('what a training leaves can be read: network, grid, log, record', async () => {
  const before = tf.memory().numTensors
  await trained('run', { frechet: { images: 8 } })
  expect(tf.memory().numTensors).toBe(before)
  const checkpoint = await openCheckpoint(at('run', 'network-00000.008.safetensors'))
  const { generator } = await readStylegan2(checkpoint)
  await checkpoint.close()
  expect(generator.config).toMatchObject({ resolution: 16, cDim: 2, channelMax: 4 })
  // The averaged weights, not those in training.
  const { trainer } = (await readSnapshot(at('run', 'snapshot.safetensors')))!
  const name = 'synthesis.b4.const'
  expect(generator.weights.get(name)!.data).not.toEqual(trainer.tensors.get(`G.${name}`)!.data)
  const grid = decodePng(await readFile(at('run', 'grid-00000.008.png')))
  expect([grid.width, grid.height]).toEqual([32, 16])
  const line = JSON.parse((await linesOf(at('run', 'log.jsonl'))).at(-1)!)
  for (const figure of ['generatorLoss', 'discriminatorLoss', 'realScore', 'fakeScore', 'r1', 'pathLength']) {
    expect(line[figure], figure).toBeTypeOf('number')
  }
  for (const figure of ['imagesPerSecond', 'generatorSeconds', 'r1Seconds', 'pathLengthSeconds', 'imagesSeconds']) {
    expect(line[figure], figure).toBeGreaterThan(0)
  }
  const [header, ...rows] = await linesOf(at('run', 'frechet.csv'))
  expect(header).toBe('images,thumbnail-8x8')
  expect(rows.map(row => row.split(',')[0])).toEqual(['0', '8'])
  const record = JSON.parse(await readFile(at('run', 'training.json'), 'utf8'))
  expect(record).toMatchObject({ kind: 'stylegan2', finished: true, images: 8, backend: { name: 'wasm' } })
  expect(record.config).toMatchObject({ batchSize: 4, 'generator.zDim': 4, images: 'discs 7' })
  expect(record.frechet.latest).toBe(Number(rows[1]!.split(',')[1]))
})

test('another config is refused by name; a longer training goes on; fresh starts over', async () => {
  await trained('run')
  const first = await readFile(at('run', 'snapshot.safetensors'))
  await expect(trained('run', { batchSize: 2, learningRate: 0.001 })).rejects.toMatchObject({
    code: 'resume-mismatch',
    message: expect.stringMatching(/learningRate: 0\.0025 -> 0\.001.*fresh/),
  })
  await expect(trained('run', { images: discs(11) })).rejects.toThrow(/images: "discs 7" -> "discs 11"/)
  expect(await readFile(at('run', 'snapshot.safetensors'))).toEqual(first)
  expect((await trained('run')).alreadyFinished).toBe(true)
  await trained('run', { totalImages: 16 })
  await trained('whole', { totalImages: 16 })
  expect(await essence(at('run'))).toEqual(await essence(at('whole')))
  await writeFile(at('run', 'mine.txt'), 'stays')
  const config = tinyTraining(at('run'), 'wasm', { seed: 2, totalImages: 4, frechet: false })
  await trainStylegan2(config, { fresh: true })
  expect((await readdir(at('run'))).sort()).toEqual([
    'grid-00000.000.png',
    'grid-00000.004.png',
    'log.jsonl',
    'mine.txt',
    'network-00000.004.safetensors',
    'snapshot.safetensors',
    'training.json',
  ])
  expect(await logged(at('run'))).toEqual([4])
})

test('a signal stops after the step with a snapshot, and the same call goes on', async () => {
  const controller = new AbortController()
  const events: TrainingEvent[] = []
  const training = defineStylegan2Training(tinyTraining(at('elsewhere'), 'wasm', { totalImages: 16, frechet: false }))
  expect(training).toMatchObject({ specificationVersion: 'v1', kind: 'stylegan2', out: at('elsewhere') })
  const onProgress = (event: TrainingEvent) => {
    events.push(event)
    if (event.type === 'progress' && event.done === 4) controller.abort()
  }
  const before = tf.memory().numTensors
  await expect(training.run({ out: at('run'), signal: controller.signal, onProgress })).rejects.toMatchObject({
    code: 'aborted',
    message: 'Stopped after 4 of 16 images; a snapshot is written',
  })
  expect(tf.memory().numTensors).toBe(before)
  expect((await readSnapshot(at('run', 'snapshot.safetensors')))!.trainer.state.step).toBe(1)
  await training.run({ out: at('run'), onProgress })
  expect(events.at(-1)).toMatchObject({ type: 'done', message: expect.stringMatching(/^from 4 to 16 images/) })
  await trained('whole', { totalImages: 16 })
  expect(await essence(at('run'))).toEqual(await essence(at('whole')))
})

test('lines that a killed process wrote after its snapshot are dropped, half a line too', async () => {
  await trained('run', { frechet: { images: 8 } })
  await appendFile(at('run', 'log.jsonl'), '{"images":12,"generatorLoss":1}\n{"images":16,"gen')
  await appendFile(at('run', 'frechet.csv'), '16,3.5\n20,3')
  await trained('run', { totalImages: 16, frechet: { images: 8 } })
  expect(await logged(at('run'))).toEqual([8, 16])
  expect((await linesOf(at('run', 'frechet.csv'))).map(row => row.split(',')[0])).toEqual(['images', '0', '8', '16'])
})

test('a snapshot of a bare trainer is taken up, with a note', async () => {
  await trained('run')
  await trained('whole', { totalImages: 16 })
  const snapshot = (await readSnapshot(at('run', 'snapshot.safetensors')))!
  const { step, meanPathLength, optimizerSteps, augmentation } = snapshot.trainer.state
  await mkdir(at('bare'))
  const { writeSafetensors } = await import('@fx/weights/node')
  await writeSafetensors(at('bare', 'snapshot.safetensors'), snapshot.trainer.tensors, {
    state: JSON.stringify({ step, meanPathLength, optimizerSteps, augmentation }),
  })
  const notes: string[] = []
  await trainStylegan2(tinyTraining(at('bare'), 'wasm', { totalImages: 16, frechet: false }), {
    onProgress: event => {
      if (event.type === 'note') notes.push(event.message)
    },
  })
  expect(notes.join()).toMatch(/does not say its config/)
  expect(await essence(at('bare'))).toEqual(await essence(at('whole')))
})

test.each<[string, Record<string, unknown>, RegExp]>([
  ['an unknown member', { epochs: 3 }, /no member 'epochs'; the members are 'out', /],
  ['an unknown part of the generator', { generator: { resolution: 16, width: 3 } }, /generator: .*'width'/],
  ['a resolution that is none', { generator: { resolution: 48 } }, /resolution must be 16, 32/],
  ['no images', { images: 'faces/' }, /images: must be an image source/],
  ['a batch that cannot be grouped', { batchSize: 6 }, /batchSize is 6; .*multiple/],
  ['an unknown transform', { augment: { policy: ['blur'] } }, /augment/],
  ['a probability above one', { augment: { p: 1.5 } }, /augment/],
  ['a penalty form that is none', { r1: { form: 'secant' } }, /r1/],
  ['no length', { totalImages: 0 }, /totalImages/],
])('%s is named', (_, change, message) => {
  const broken = { ...tinyTraining('out', 'wasm'), ...change } as Stylegan2TrainingConfig
  expect(() => defineStylegan2Training(broken)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  expect(() => defineStylegan2Training(broken)).toThrow(message)
})

test('a folder that cannot be written and a snapshot that is none are told as such, before any work', async () => {
  await writeFile(at('file'), '')
  await expect(trained('file')).rejects.toMatchObject({
    code: 'write-failed',
    message: expect.stringMatching(/a parent of it is a file/),
  })
  await mkdir(at('run'))
  await writeFile(at('run', 'snapshot.safetensors'), 'not a snapshot at all')
  await expect(trained('run')).rejects.toMatchObject({ code: expect.stringMatching(/unsupported|corrupt-file/) })
  expect(await readdir(at('run'))).toEqual(['snapshot.safetensors'])
})

test('images of another size, and missing labels, are refused', async () => {
  const before = tf.memory().numTensors
  const of = (resolution: number, label?: number[]) => ({
    id: 'other',
    count: 4,
    load: async (indices: readonly number[]) =>
      indices.map(() => ({ width: resolution, height: resolution, data: new Uint8Array(resolution ** 2 * 3), label })),
  })
  const grid = { grid: { columns: 1, rows: 1 } }
  await expect(trained('a', { images: of(32, [1, 0]), ...grid })).rejects.toThrow(
    /is 32 x 32; the network makes 16 x 16/,
  )
  await expect(trained('b', { images: of(16) })).rejects.toThrow(/no label; the network takes labels of 2/)
  expect(tf.memory().numTensors).toBe(before)
})

test('a tiny network learns discs: the Fréchet distance falls to less than half', async () => {
  await trainStylegan2({
    out: at('learn'),
    backend: 'wasm',
    images: discs(),
    generator: { resolution: 16, channelBase: 256, channelMax: 16, zDim: 8, wDim: 8, mappingLayers: 2 },
    totalImages: 800,
    learningRate: 0.01,
    r1: { gamma: 0.1 },
    pathLength: false,
    augment: false,
    mixing: 0,
    emaHalfLife: 160,
    every: { evaluation: 1000 },
    frechet: { images: 128 },
  })
  const [, start, end] = (await linesOf(at('learn', 'frechet.csv'))).map(row => Number(row.split(',')[1]))
  // Measured: 57.9 to 13.9.
  expect(end!).toBeLessThan(0.5 * start!)
})

test('a training can begin with the networks of another checkpoint', async () => {
  await trained('first')
  const initial = at('first', 'snapshot.safetensors')
  const still = { totalImages: 4, learningRate: 1e-12, batchSize: 4 }
  await trained('second', { ...still, initial, seed: 9 })
  const [first, second] = await Promise.all(
    ['first', 'second'].map(async name => (await readSnapshot(at(name, 'snapshot.safetensors')))!.trainer.tensors),
  )
  for (const name of ['G.synthesis.b16.conv0.weight', 'D.b16.conv0.weight']) {
    expect(Math.abs(first!.get(name)!.data[5]! - second!.get(name)!.data[5]!), name).toBeLessThan(1e-6)
  }
  // Grown: blocks that the checkpoint lacks add nothing to the image at first.
  const generator = { ...tinyTraining('', 'wasm').generator, resolution: 32, channelBase: 128 }
  await trained('grown', { ...still, initial, generator, images: discs(8) })
  const grown = (await readSnapshot(at('grown', 'snapshot.safetensors')))!.trainer.tensors
  expect(grown.get('G.synthesis.b32.torgb.weight')!.data.every(value => Math.abs(value) < 1e-6)).toBe(true)
  const name = 'G.synthesis.b16.conv1.weight'
  expect(Math.abs(grown.get(name)!.data[5]! - first!.get(name)!.data[5]!)).toBeLessThan(1e-6)
  await expect(trained('none', { initial: at('nowhere.pkl') })).rejects.toMatchObject({ code: 'not-found' })
})

test('augmentation reaches the discriminator, and its probability the log', async () => {
  const change = { totalImages: 4, r1: false, pathLength: false } as const
  const tensorsOf = async (name: string, augment: Stylegan2TrainingConfig['augment']) => {
    await trained(name, { ...change, augment })
    return (await readSnapshot(at(name, 'snapshot.safetensors')))!.trainer.tensors.get('D.b16.conv0.weight')!.data
  }
  const [none, all] = [await tensorsOf('none', false), await tensorsOf('all', { p: 1 })]
  expect(all).not.toEqual(none)
  expect(await tensorsOf('zero', { p: 0 })).toEqual(none)
  expect(JSON.parse((await linesOf(at('all', 'log.jsonl')))[0]!).augmentation).toBe(1)
})

test('a training that explodes says so, keeps its snapshot and leaves no tensors', async () => {
  await trained('run')
  const { trainer, ...rest } = (await readSnapshot(at('run', 'snapshot.safetensors')))!
  const tensors = new Map(trainer.tensors)
  const { shape } = tensors.get('G.synthesis.b4.const')!
  tensors.set('G.synthesis.b4.const', { shape, data: new Float32Array(4 * 16).fill(Number.NaN) })
  await writeSnapshot(at('run', 'snapshot.safetensors'), { trainer: { ...trainer, tensors }, ...rest })
  const before = [tf.memory().numTensors, await readFile(at('run', 'snapshot.safetensors'))]
  await expect(trained('run', { totalImages: 16 })).rejects.toMatchObject({
    code: 'not-finite',
    message: expect.stringMatching(/The generator loss became NaN at step 3/),
  })
  expect([tf.memory().numTensors, await readFile(at('run', 'snapshot.safetensors'))]).toEqual(before)
})
