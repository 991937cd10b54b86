import { mkdir, writeFile } from 'node:fs/promises'
import { seededRandom } from '@fx/core'
import { expect, test } from 'vitest'
import { discs } from '../../test/discs.js'
import { temporaryFolder } from '../../test/folder.js'
import { effect, pairOf, pairsOf, size } from '../../test/noise.js'
import { encodePng, type RgbImage } from '../index.js'
import { portraitEffects, portraits } from '../portraits.js'
import { writeShards } from '../shards.js'
import { imageFolder, shardImages, teacherImages } from '../stylegan2-training.js'
import { batchesOf, spread } from './image-source.js'

const at = temporaryFolder()
const plain = (side: number, value: number): RgbImage => ({
  width: side,
  height: side,
  data: new Uint8Array(side * side * 3).fill(value),
})

test('a folder gives its PNGs in the order of their names', async () => {
  await mkdir(at('faces'))
  for (const [name, value] of Object.entries({ 'b.png': 2, 'a.png': 1, 'c.PNG': 3 })) {
    await writeFile(at('faces', name), encodePng(plain(16, value)))
  }
  await writeFile(at('faces', 'notes.txt'), 'not an image')
  const source = await imageFolder(at('faces'))
  expect(source.count).toBe(3)
  await source.check?.(16)
  expect((await source.load([2, 0], 16)).map(({ data }) => data[0])).toEqual([3, 1])
  await writeFile(at('faces', 'd.png'), encodePng(plain(32, 4)))
  const more = await imageFolder(at('faces'))
  expect(more.id).not.toBe(source.id)
  await expect(more.check?.(16)).rejects.toThrow(/d\.png is 32 x 32; the training needs 16 x 16/)
  await expect(more.load([3], 16)).rejects.toMatchObject({ code: 'shape-mismatch' })
  await writeFile(at('faces', 'aa.png'), 'no image at all')
  await expect((await imageFolder(at('faces'))).check?.(16)).rejects.toThrow(/aa\.png is not a PNG/)
})

test('the text beside an image is its caption', async () => {
  await mkdir(at('faces'))
  for (const name of ['a.png', 'b.png']) await writeFile(at('faces', name), encodePng(plain(16, 1)))
  const bare = await imageFolder(at('faces'))
  await writeFile(at('faces', 'b.txt'), 'pink hair\n')
  const captioned = await imageFolder(at('faces'))
  expect((await captioned.load([0, 1], 16)).map(({ caption }) => caption)).toEqual([undefined, 'pink hair'])
  await writeFile(at('faces', 'b.txt'), 'blue hair\n')
  const other = await imageFolder(at('faces'))
  expect(new Set([bare.id, captioned.id, other.id]).size).toBe(3)
})

test('a folder without images, or none at all, is named', async () => {
  await mkdir(at('empty'))
  await expect(imageFolder(at('empty'))).rejects.toMatchObject({
    code: 'not-found',
    message: `There is no PNG in ${at('empty')}`,
  })
  await expect(imageFolder(at('nowhere'))).rejects.toMatchObject({ code: 'not-found' })
})

test('shards give inputs, targets or both', async () => {
  await writeShards(at('pairs'), pairsOf(0, 5), { effect, size, pairsPerShard: 2 })
  const [inputs, targets, both] = await Promise.all([
    shardImages(at('pairs')),
    shardImages(at('pairs'), { use: 'targets' }),
    shardImages(at('pairs'), { use: 'both' }),
  ])
  expect([inputs.count, targets.count, both.count]).toEqual([5, 5, 10])
  const { input, target } = pairOf(3)
  expect((await inputs.load([3], size))[0]!.data).toEqual(input.data)
  expect((await targets.load([3], size))[0]!.data).toEqual(target.data)
  expect((await both.load([6, 7], size)).map(({ data }) => data)).toEqual([input.data, target.data])
  await inputs.check?.(size)
  await expect(inputs.check?.(size * 2)).rejects.toMatchObject({ code: 'shape-mismatch' })
})

test('a teacher gives targets of effects by chance, by index alone, and inputs otherwise', async () => {
  const teacher = portraits({ style: 'pixelArt' })
  const { background, glasses, 'hair-colour': hair } = portraitEffects
  const source = teacherImages(teacher, {
    input: background,
    targets: [
      { effect: hair, chance: 0.3 },
      { effect: glasses, chance: 0.3 },
    ],
  })
  expect(source.count).toBe(Number.POSITIVE_INFINITY)
  const images = await source.load([0, 1, 2, 3, 4, 5, 6, 7], 16)
  const kinds = new Set<string>()
  for (const [index, image] of images.entries()) {
    const u = seededRandom(index, 'kind').uniform()
    const chosen = u < 0.3 ? hair : u < 0.6 ? glasses : undefined
    kinds.add(chosen?.id ?? 'input')
    const request = { effect: chosen ?? background, size: 16, seeds: [index], parameters: 'sampled' as const }
    for await (const { input, target } of teacher.pairs(request)) {
      expect(image.data, `image ${index}`).toEqual(chosen ? target.data : input.data)
    }
  }
  expect(kinds.size).toBe(3)
  expect(() => teacherImages(teacher, { input: hair, targets: [{ effect: glasses, chance: 1.2 }] })).toThrow(/got 1\.2/)
})

test('a finite source is shown whole in each epoch, each in another order; an endless one in its own', async () => {
  const shown: number[][] = []
  const source = (count: number) => ({
    id: 'numbers',
    count,
    load: async (indices: readonly number[]) => {
      shown.push([...indices])
      return indices.map(index => plain(4, index))
    },
  })
  const order = { seed: 1, batchSize: 3, resolution: 4, mirror: false }
  const batchAt = batchesOf(source(5), order)
  for (let step = 0; step < 5; step++) await batchAt(step)
  const all = shown.flat()
  for (const epoch of [0, 1, 2]) expect(all.slice(5 * epoch, 5 * epoch + 5).sort()).toEqual([0, 1, 2, 3, 4])
  expect(all.slice(0, 5).join()).not.toBe(all.slice(5, 10).join())
  shown.length = 0
  await batchesOf(source(5), order)(3)
  expect(shown[0]).toEqual(all.slice(9, 12))
  shown.length = 0
  await batchesOf(source(Number.POSITIVE_INFINITY), order)(7)
  expect(shown[0]).toEqual([21, 22, 23])
  expect(() => batchesOf(source(0), order)).toThrow(/has no images/)
  expect(spread(source(10), 4)).toEqual([0, 2, 5, 7])
  expect(spread(source(3), 5)).toEqual([0, 1, 2, 0, 1])
})

test('mirrors show about every second image the other way round, labels kept', async () => {
  const order = { seed: 1, batchSize: 32, resolution: 16, mirror: true }
  const plainBatch = await batchesOf(discs(), { ...order, mirror: false })(0)
  const batch = await batchesOf(discs(), order)(0)
  const column = ({ data }: RgbImage, x: number) => Array.from({ length: 16 }, (_, y) => data[(y * 16 + x) * 3])
  let turned = 0
  batch.forEach((image, i) => {
    const was = plainBatch[i]!
    expect(image.label).toEqual(was.label)
    const same = image.data.every((value, n) => value === was.data[n])
    if (!same) {
      turned++
      for (let x = 0; x < 16; x++) expect(column(image, x)).toEqual(column(was, 15 - x))
    }
  })
  expect(turned).toBeGreaterThan(8)
  expect(turned).toBeLessThan(24)
})
