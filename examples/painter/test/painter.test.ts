import { readFile, stat } from 'node:fs/promises'
import { prepareBackend } from '@fx/backend'
import { parseBundleManifest, sha256Hex } from '@fx/core'
import { naturalImages, proceduralTeacher } from '@fx/teacher-adapters/procedural'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, expect, test } from 'vitest'
import config from '../fx.config.js'
import { shippedPainter } from '../shipped.js'

const bundle = new URL('../bundle/', import.meta.url)
const manifest = async () => parseBundleManifest(JSON.parse(await readFile(new URL('effect.json', bundle), 'utf8')))
const psnr = (a: Uint8Array, b: Uint8Array): number =>
  10 * Math.log10((255 ** 2 * a.length) / a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0))

beforeAll(async () => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
})

test('the bundle is whole and small, and says where it is from', async () => {
  const { files, card, effect, crop } = await manifest()
  let total = 0
  for (const { path, size, sha256 } of files) {
    const data = await readFile(new URL(path, bundle))
    expect([data.length, sha256Hex(data)]).toEqual([size, sha256])
    total += size
  }
  expect(total + (await stat(new URL('effect.json', bundle))).size).toBeLessThan(1.5e6)
  const teacher = await config.teacher()
  expect(card).toMatchObject({
    licence: 'CC0-1.0',
    provenance: { teacher: teacher.id, teacherVersion: teacher.version, licences: ['CC0-1.0'] },
  })
  expect([effect.id, crop]).toEqual([config.effect.id, 'stretch'])
})

test('the student of the bundle is that of the config', async () => {
  const { student } = JSON.parse(await readFile(new URL('../docs/training.json', import.meta.url), 'utf8'))
  const { specHash, dispose } = await config.student({ seed: 1, size: config.size, effect: config.effect })
  expect(student.specHash).toBe(specHash)
  dispose?.()
})

test.each([256, 192, 128])('at %i pixels it paints as its teacher does', async size => {
  const before = tf.memory().numTensors
  const painter = await shippedPainter(size)
  // Pictures that no pair was made of.
  const request = { effect: config.effect, size, seeds: [2 ** 33, 2 ** 33 + 1] }
  let [squares, nothing] = [0, 0]
  for await (const { input, target } of proceduralTeacher().pairs(request)) {
    expect(input).toEqual(naturalImages({ seed: request.seeds.shift()!, size }))
    squares += 10 ** (-psnr(painter.paint(input).data, target.data) / 10)
    nothing += 10 ** (-psnr(input.data, target.data) / 10)
  }
  expect(squares).toBeLessThan(0.5 * nothing)
  painter.dispose()
  expect(tf.memory().numTensors).toBe(before)
})
