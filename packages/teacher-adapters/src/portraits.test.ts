import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sha256Hex } from '@fx/core'
import { describe, expect, test } from 'vitest'
import { collect } from '../test/collect.js'
import { changedRegion, type EffectSpec, equalImages, type RgbImage, type TeacherAdapter } from './index.js'
import { type PortraitEffectId, portraitEffects, portraitStyles, portraits } from './portraits.js'
import { teacherConformance } from './testing.js'

const hair = portraitEffects['hair-colour']
const seeds = (count: number) => Array.from({ length: count }, (_, seed) => seed)
const effectsOf = (teacher: TeacherAdapter) => teacher.capabilities.effects as readonly PortraitEffectId[]

const source = { entry: '@fx/teacher-adapters/portraits', conditions: ['@fx/source'] }
teacherConformance({
  ...source,
  name: 'portraits',
  create: () => portraits(),
  effects: effectsOf(portraits()).map(id => portraitEffects[id]),
})
teacherConformance({
  ...source,
  name: 'portraits in another style and size',
  create: () => portraits({ style: 'notionists' }),
  effects: effectsOf(portraits({ style: 'notionists' })).map(id => portraitEffects[id]),
  size: 24,
})

describe.each(portraitStyles)('%s', style => {
  const teacher = portraits({ style })

  test.each(effectsOf(teacher))('%s shows on everyone, and elsewhere nothing changes', async id => {
    const pairs = await collect(teacher.pairs({ effect: portraitEffects[id], size: 48, seeds: seeds(24) }))
    for (const { input, target } of pairs) {
      const share = changedRegion(input, target, 8).reduce((sum, value) => sum + value, 0) / 48 ** 2
      expect(share).toBeGreaterThan(0.003)
      expect(share).toBeLessThan(0.8)
    }
  })

  test('no two people look alike', async () => {
    const [id] = effectsOf(teacher)
    const pairs = await collect(teacher.pairs({ effect: portraitEffects[id!], size: 24, seeds: seeds(150) }))
    expect(new Set(pairs.map(({ input }) => sha256Hex(input.data))).size).toBe(150)
  })

  test('each picture names its licence, and its designer where the licence asks for it', async () => {
    const [id] = effectsOf(teacher)
    const [pair] = await collect(teacher.pairs({ effect: portraitEffects[id!], size: 16, seeds: [0] }))
    const { licence, extra } = pair!.provenance
    expect(['CC0-1.0', 'CC-BY-4.0']).toContain(licence.id)
    expect(licence.attribution).toMatch(/^Remix of ".+" by .+ \(https:/)
    expect(licence.url).toMatch(/^https:\/\/creativecommons\.org\//)
    expect(extra?.style).toBe(style)
  })
})

const at = async (strength: number, options: Parameters<typeof portraits>[0], effect: EffectSpec, seed: number) => {
  const [pair] = await collect(portraits(options).pairs({ effect, size: 32, seeds: [seed], parameters: { strength } }))
  return pair!
}
const difference = (a: RgbImage, b: RgbImage) =>
  a.data.reduce((sum, value, i) => sum + Math.abs(value - b.data[i]!), 0) / a.data.length

test.each(['hair-colour', 'skin-colour', 'background'] as const)(
  '%s: strength 0 is the input itself, and more strength is more effect',
  async id => {
    for (const seed of seeds(6)) {
      const pairs = await Promise.all([0, 0.25, 0.5, 0.75, 1].map(t => at(t, {}, portraitEffects[id], seed)))
      const { input } = pairs[0]!
      expect(pairs.every(pair => equalImages(pair.input, input))).toBe(true)
      expect(equalImages(input, pairs[0]!.target)).toBe(true)
      const effects = pairs.map(({ target }) => difference(input, target))
      expect(effects).toEqual([...effects].sort((a, b) => a - b))
      expect(effects[4]).toBeGreaterThan(effects[2]! * 1.2)
    }
  },
)

test('a colour effect leads to the colour that was asked for', async () => {
  const { target } = await at(1, { colours: { background: '#102030' } }, portraitEffects.background, 3)
  expect([...target.data.subarray(0, 3)]).toEqual([0x10, 0x20, 0x30])
  expect(portraits({ colours: { background: '#102030' } }).version).not.toBe(portraits().version)
})

test('an effect is visible even when its colour is a natural one', async () => {
  const black = portraits({ colours: { 'hair-colour': '#0e0a0a' } })
  for (const { input, target } of await collect(black.pairs({ effect: hair, size: 32, seeds: seeds(30) }))) {
    expect(changedRegion(input, target, 16).some(value => value)).toBe(true)
  }
})

test('another process draws the same pixels', async () => {
  const program = fileURLToPath(new URL('../test/hash-portraits.ts', import.meta.url))
  const run = () => promisify(execFile)(process.execPath, ['--conditions=@fx/source', '--import', 'tsx', program])
  const [{ stdout: a }, pairs] = await Promise.all([
    run(),
    collect(portraits().pairs({ effect: hair, size: 32, seeds: [0, 7, 123456789], parameters: 'sampled' })),
  ])
  expect(JSON.parse(a)).toEqual(pairs.flatMap(({ input, target }) => [sha256Hex(input.data), sha256Hex(target.data)]))
})

test('portraits stay as they were', async () => {
  const [pair] = await collect(portraits().pairs({ effect: hair, size: 32, seeds: [1] }))
  // A change here changes every data set: raise REVISION with it.
  expect(pair).toMatchObject({ id: 'micah-hair-colour-000001' })
  expect(pair!.provenance.teacher).toEqual({ id: 'portraits', version: '1-micah-ff2fa0-4f9fe8-00b140' })
  expect(pair!.provenance.extra).toMatchInlineSnapshot(`
    {
      "backgroundColor": "#d5dbde",
      "base": "standard",
      "baseColor": "#c4906f",
      "earringColor": "#622100",
      "ears": "detached",
      "eyeShadowColor": "#ffffff",
      "eyebrows": "eyelashesUp",
      "eyebrowsColor": "#000000",
      "eyes": "smilingShadow",
      "eyesColor": "#000000",
      "facialHairColor": "#e6ab30",
      "glassesColor": "#090d06",
      "hair": "dannyPhantom",
      "hairColor": "#e6ab30",
      "mouth": "smirk",
      "mouthColor": "#000000",
      "nose": "tound",
      "shirt": "collared",
      "shirtColor": "#614388",
      "style": "micah",
    }
  `)
  expect([...pair!.input.data.subarray(0, 3)]).toMatchInlineSnapshot(`
    [
      213,
      219,
      222,
    ]
  `)
})

test('a request can be aborted by a timer, so the event loop gets its turns', async () => {
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 30)
  const endless = portraits().pairs({
    effect: hair,
    size: 32,
    seeds: (function* () {
      for (let seed = 0; ; seed++) yield seed
    })(),
    signal: controller.signal,
  })
  const run = async () => {
    for await (const _ of endless);
  }
  await expect(run()).rejects.toEqual(expect.objectContaining({ code: 'aborted' }))
})

test.each([
  ['an unknown style', () => portraits({ style: 'mona-lisa' as never }), /'mona-lisa'.*'micah'.*'notionists'/],
  ['an inherited name as style', () => portraits({ style: 'constructor' as never }), /'constructor'/],
  ['a malformed colour', () => portraits({ colours: { background: 'red' } }), /'red'.*#ff2fa0/],
  ['a colour of no effect', () => portraits({ colours: { hat: '#000000' } as never }), /'hat'.*'hair-colour'/],
])('%s is refused', (_, act, message) => {
  expect(act).toThrow(expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) }))
})

test('a strength that cannot be drawn is refused', async () => {
  const ask = (effect: EffectSpec) => collect(portraits().pairs({ effect, size: 32, seeds: [0] }))
  const range = { min: 0, max: 2, default: 1 }
  await expect(ask({ ...hair, parameters: { strength: range } })).rejects.toThrow(/0 to 2.*from 0 to 1/)
  await expect(ask({ ...portraitEffects.glasses, parameters: { strength: range } })).rejects.toThrow(/on or off/)
})
