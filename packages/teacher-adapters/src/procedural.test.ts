import { describe, expect, test } from 'vitest'
import { collect } from '../test/collect.js'
import { equalImages, type RgbImage } from './index.js'
import { anisotropicKuwahara, naturalImages, painterly, proceduralTeacher } from './procedural.js'
import { teacherConformance } from './testing.js'

teacherConformance({
  name: 'procedural',
  create: () => proceduralTeacher(),
  effects: [painterly],
  // The whole picture is painted, and a calm one hardly changes.
  alignment: { threshold: 3, minChanged: 0.001, maxChanged: 1 },
  entry: '@fx/teacher-adapters/procedural',
  conditions: ['@fx/source'],
})

const request = { effect: painterly, size: 32, seeds: [3, 9] }
const difference = (a: RgbImage, b: RgbImage): number =>
  a.data.reduce((sum, value, i) => sum + Math.abs(value - b.data[i]!), 0) / a.data.length

describe('pairs', () => {
  test('are a natural image and its painting', async () => {
    const pairs = await collect(proceduralTeacher({ radius: 4 }).pairs(request))
    expect(pairs.map(({ id }) => id)).toEqual(['painterly-000003', 'painterly-000009'])
    for (const { input, target, provenance } of pairs) {
      expect(input).toEqual(naturalImages({ seed: provenance.seed, size: 32 }))
      expect(target).toEqual(anisotropicKuwahara(input, { radius: 4 }))
    }
  })

  test('follow the strength', async () => {
    const paintings = await Promise.all(
      [0, 0.5, 1].map(async strength => {
        const [pair] = await collect(proceduralTeacher().pairs({ ...request, parameters: { strength } }))
        return pair!
      }),
    )
    const [none, half, full] = paintings.map(({ input, target }) => difference(input, target))
    expect(equalImages(paintings[0]!.input, paintings[0]!.target)).toBe(true)
    expect(none).toBe(0)
    expect(half! / full!).toBeCloseTo(0.5, 1)
  })

  test('say that nobody else has rights in them, and how they were painted', async () => {
    const [pair] = await collect(proceduralTeacher({ radius: 4 }).pairs(request))
    expect(pair!.provenance).toMatchObject({
      teacher: { id: 'procedural' },
      seed: 3,
      licence: { id: 'CC0-1.0' },
      extra: { radius: 4, sharpness: 8 },
    })
    expect(pair!.provenance.weightsHash).toBeUndefined()
  })
})

test('another brush is another version', () => {
  expect(proceduralTeacher({ radius: 4 }).version).not.toBe(proceduralTeacher().version)
})

test('an option out of its range, and a strength beyond the painting, are refused', async () => {
  expect(() => proceduralTeacher({ radius: 0 })).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  const effect = { ...painterly, parameters: { strength: { min: 0, max: 2, default: 1 } } }
  await expect(collect(proceduralTeacher().pairs({ ...request, effect }))).rejects.toMatchObject({
    code: 'invalid-argument',
    message: expect.stringContaining('from 0 to 2'),
  })
})
