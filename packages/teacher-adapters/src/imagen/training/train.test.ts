import { spawn } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { prepareBackend } from '@fx/backend'
import { openCheckpoint } from '@fx/weights/node'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { temporaryFolder } from '../../../test/folder.js'
import { captionedDiscs, tinyEnlarging, tinyImagenTraining, wordEncoder } from '../../../test/tiny-imagen.js'
import {
  defineImagenTraining,
  type ImagenTrainingConfig,
  readImagenSnapshot,
  trainImagen,
  writeImagenSnapshot,
} from '../../imagen-training.js'
import { decodePng, type TrainingEvent } from '../../index.js'
import { readImagenStage } from '../stage-file.js'

const at = temporaryFolder()
beforeAll(() => prepareBackend({ backend: 'wasm', threads: 1 }))

/** What a snapshot decides of the rest of a training: everything but the clock. */
const essence = async (folder: string): Promise<unknown> => {
  const { trainer, fingerprint, window } = (await readImagenSnapshot(`${folder}/snapshot.safetensors`))!
  const tensors = [...trainer.tensors].sort(([a], [b]) => (a < b ? -1 : 1))
  return { ...trainer, tensors, fingerprint, steps: window?.steps }
}
const linesOf = async (path: string): Promise<string[]> => (await readFile(path, 'utf8')).trim().split('\n')
/** Images of each line of the log. */
const logged = async (folder: string): Promise<number[]> =>
  (await linesOf(`${folder}/log.jsonl`)).map(line => JSON.parse(line).images)

const program = fileURLToPath(new URL('../../../test/train-imagen.ts', import.meta.url))

/** Runs the training in a process of its own that is killed once it has shown so many images. */
const killedAt = (folder: string, backend: string, images: number, stage: string): Promise<string | null> => {
  const options = ['--conditions=@fx/source', '--import', 'tsx', program, folder, backend, String(images), stage]
  // Nothing is shared with it: what it has started may outlive it, and would hold a shared stream open.
  const child = spawn(process.execPath, options, { stdio: 'ignore' })
  return new Promise(done => child.on('exit', (_, signal) => done(signal)))
}

describe.each([
  ['cpu', 'base'],
  ['wasm', 'base'],
  ['wasm', 'super-resolution'],
] as const)('on %s, %s', (backend, stage) => {
  const config = (folder: string) =>
    tinyImagenTraining(folder, backend, stage === 'super-resolution' ? tinyEnlarging : {})
  const batch = config('').batchSize!
  const name = (what: string, batches: number) => `${what}-00000.0${String(batches * batch).padStart(2, '0')}`
  test('a training that is killed and started again ends bit for bit as an unbroken one', async () => {
    await trainImagen(config(at('whole')))
    expect(await killedAt(at('broken'), backend, 3 * batch, stage)).toBe('SIGKILL')
    const before = tf.memory().numTensors
    const { alreadyFinished } = await trainImagen(config(at('broken')))
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

const trained = async (name: string, change: Partial<ImagenTrainingConfig> = {}) =>
  trainImagen(tinyImagenTraining(at(name), 'wasm', { frechet: false, totalImages: 8, decay: 'none', ...change }))

test('what a training leaves can be read: network, grid, log, record', async () => {
  const before = tf.memory().numTensors
  await trained('run', { frechet: { images: 8 } })
  expect(tf.memory().numTensors).toBe(before)
  const checkpoint = await openCheckpoint(at('run', 'network-00000.008.safetensors'))
  const { unet, weights, scheduler, stage } = await readImagenStage(checkpoint)
  await checkpoint.close()
  expect(unet).toMatchObject({ sampleSize: 8, inChannels: 3, outChannels: 3, classEmbedType: null })
  expect(scheduler).toMatchObject({ betaSchedule: 'squaredcos_cap_v2', predictionType: 'v_prediction' })
  expect(stage).toEqual({ resolution: 8, text: 'words' })
  // The averaged weights, not those in training.
  const { trainer } = (await readImagenSnapshot(at('run', 'snapshot.safetensors')))!
  expect(weights.get('conv_in.weight')!.data).not.toEqual(trainer.tensors.get('unet.conv_in.weight')!.data)
  const grid = decodePng(await readFile(at('run', 'grid-00000.008.png')))
  expect([grid.width, grid.height]).toEqual([16, 8])
  const line = JSON.parse((await linesOf(at('run', 'log.jsonl'))).at(-1)!)
  for (const figure of ['loss', 'gradientNorm', 'learningRate', 'imagesPerSecond', 'textSeconds', 'gradientSeconds']) {
    expect(line[figure], figure).toBeGreaterThan(0)
  }
  const [header, ...rows] = await linesOf(at('run', 'frechet.csv'))
  expect(header).toBe('images,thumbnail-8x8')
  expect(rows.map(row => row.split(',')[0])).toEqual(['0', '8'])
  const record = JSON.parse(await readFile(at('run', 'training.json'), 'utf8'))
  expect(record).toMatchObject({ kind: 'imagen', finished: true, images: 8, backend: { name: 'wasm' } })
  expect(record.config).toMatchObject({
    batchSize: 4,
    'stage.resolution': 8,
    images: 'captioned discs 7',
    text: 'words',
  })
  expect(record.frechet.latest).toBe(Number(rows[1]!.split(',')[1]))
})

test('a super-resolution stage shows low resolution, sample and original, and says what it enlarges', async () => {
  await trained('run', { ...tinyEnlarging, totalImages: 4, grid: { rows: 2, columns: 1 } })
  const checkpoint = await openCheckpoint(at('run', 'network-00000.004.safetensors'))
  const { unet, stage } = await readImagenStage(checkpoint)
  await checkpoint.close()
  expect(unet).toMatchObject({ sampleSize: 16, inChannels: 6, outChannels: 3, classEmbedType: 'timestep' })
  expect(stage).toEqual({ resolution: 16, lowResolution: 8, noiseLevel: { min: 10, max: 500 }, text: 'words' })
  const grid = decodePng(await readFile(at('run', 'grid-00000.004.png')))
  expect([grid.width, grid.height]).toEqual([48, 32])
  const [original] = await captionedDiscs(7).load([0], 16)
  const pixel = (column: number, row: number) => [...grid.data.subarray((row * 48 + column) * 3).subarray(0, 3)]
  const squares = Array.from({ length: 8 }, (_, i) => pixel(2 * i, 8))
  expect(squares).toEqual(Array.from({ length: 8 }, (_, i) => pixel(2 * i + 1, 9)))
  for (const column of [0, 7, 15]) {
    expect(pixel(32 + column, 8)).toEqual([...original!.data.subarray((8 * 16 + column) * 3).subarray(0, 3)])
  }
})

test('another config is refused by name; a longer training goes on; fresh starts over', async () => {
  await trained('run')
  const first = await readFile(at('run', 'snapshot.safetensors'))
  await expect(trained('run', { batchSize: 2, objective: 'eps' })).rejects.toMatchObject({
    code: 'resume-mismatch',
    message: expect.stringMatching(/batchSize: 4 -> 2; objective: "v" -> "eps".*fresh/),
  })
  await expect(trained('run', { images: captionedDiscs(11) })).rejects.toThrow(/images: "captioned discs 7" -> "capt/)
  await expect(trained('run', { text: wordEncoder('letters') })).rejects.toThrow(/text: "words" -> "letters"/)
  await expect(trained('run', { decay: 'cosine' })).rejects.toThrow(/learningRate\.until: absent -> 8/)
  expect(await readFile(at('run', 'snapshot.safetensors'))).toEqual(first)
  expect((await trained('run')).alreadyFinished).toBe(true)
  await trained('run', { totalImages: 16 })
  await trained('whole', { totalImages: 16 })
  expect(await essence(at('run'))).toEqual(await essence(at('whole')))
  await writeFile(at('run', 'mine.txt'), 'stays')
  await trainImagen(tinyImagenTraining(at('run'), 'wasm', { seed: 2, totalImages: 4, frechet: false }), { fresh: true })
  expect((await readdir(at('run'))).sort()).toEqual([
    'grid-00000.000.png',
    'grid-00000.004.png',
    'log.jsonl',
    'mine.txt',
    'network-00000.004.safetensors',
    'snapshot.safetensors',
    'training.json',
  ])
})

test('a signal stops after the step with a snapshot, and the same call goes on', async () => {
  const controller = new AbortController()
  const events: TrainingEvent[] = []
  const change = { totalImages: 16, frechet: false, decay: 'none' } as const
  const training = defineImagenTraining(tinyImagenTraining(at('elsewhere'), 'wasm', change))
  expect(training).toMatchObject({ specificationVersion: 'v1', kind: 'imagen', out: at('elsewhere') })
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
  expect((await readImagenSnapshot(at('run', 'snapshot.safetensors')))!.trainer.state.step).toBe(1)
  await training.run({ out: at('run'), onProgress })
  expect(events.at(-1)).toMatchObject({ type: 'done', message: expect.stringMatching(/^from 4 to 16 images/) })
  await trained('whole', { totalImages: 16 })
  expect(await essence(at('run'))).toEqual(await essence(at('whole')))
})

test('a folder that cannot be written and a snapshot that is none are told as such, before any work', async () => {
  await writeFile(at('file'), '')
  await expect(trained('file')).rejects.toMatchObject({ code: 'write-failed' })
  await mkdir(at('run'))
  await writeFile(at('run', 'snapshot.safetensors'), 'not a snapshot at all')
  await expect(trained('run')).rejects.toMatchObject({ code: expect.stringMatching(/unsupported|corrupt-file/) })
  expect(await readdir(at('run'))).toEqual(['snapshot.safetensors'])
})

test('a training that explodes says so, keeps its snapshot and leaves no tensors', async () => {
  await trained('run')
  const { trainer, ...rest } = (await readImagenSnapshot(at('run', 'snapshot.safetensors')))!
  const tensors = new Map(trainer.tensors)
  const { shape, data } = tensors.get('unet.conv_in.weight')!
  tensors.set('unet.conv_in.weight', { shape, data: data.map(() => Number.NaN) })
  await writeImagenSnapshot(at('run', 'snapshot.safetensors'), { trainer: { ...trainer, tensors }, ...rest })
  const before = [tf.memory().numTensors, await readFile(at('run', 'snapshot.safetensors'))]
  await expect(trained('run', { totalImages: 16 })).rejects.toMatchObject({
    code: 'not-finite',
    message: expect.stringMatching(/The loss became NaN at step 3/),
  })
  expect([tf.memory().numTensors, await readFile(at('run', 'snapshot.safetensors'))]).toEqual(before)
})

test('an encoder that the training opened is closed with it, however it ends', async () => {
  let open = 0
  const text = () => {
    open++
    return { ...wordEncoder(), dispose: () => void open-- }
  }
  await trained('run', { text, totalImages: 4 })
  expect(open).toBe(0)
  const images = { ...captionedDiscs(7), load: async () => Promise.reject(new Error('the images are gone')) }
  await expect(trained('other', { text, images })).rejects.toThrow('the images are gone')
  expect(open).toBe(0)
})
