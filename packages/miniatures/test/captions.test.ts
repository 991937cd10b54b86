import { portraitEffects } from '@fx/teacher-adapters/portraits'
import { describe, expect, test } from 'vitest'
import {
  drawLook,
  type FullPortraitLook,
  PORTRAIT_ATTRIBUTES,
  PORTRAIT_EFFECTS,
  type PortraitAttribute,
  portraitCaption,
  portraitPrompts,
  saidOf,
} from '../src/captions.js'
import { captionedPortraits } from '../training/captioned-portraits.js'
import { range } from '../training/probe.js'

const indices = (count: number) => [...range(0, count)]
const prefix = 'a portrait of a person'

describe('captions', () => {
  test('every effect is said in the words of its own prompt', () => {
    const clauses = {
      'hair-colour': 'vivid pink',
      'skin-colour': 'sky-blue',
      background: 'green screen',
      glasses: 'some',
    }
    for (const effect of PORTRAIT_EFFECTS) {
      expect(portraitCaption({ [effect]: clauses[effect] })).toBe(portraitEffects[effect].prompt)
    }
    expect(portraitCaption({})).toBe(prefix)
  })

  test('a caption says a part of the look, at times all of it, in any order', () => {
    const looks = indices(400).map(seed => drawLook(seed))
    const said = looks.map((look, seed) => saidOf(look, seed))
    const counts = said.map(part => Object.keys(part).length)
    expect(counts.filter(count => count === 9).length).toBeGreaterThan(60)
    expect(counts.filter(count => count <= 2).length).toBeGreaterThan(40)
    expect(new Set(said.flatMap(part => Object.keys(part).slice(0, 1))).size).toBe(9)
    said.forEach((part, i) => void expect(looks[i]).toMatchObject(part))
    expect(saidOf(looks[0]!, 0)).toEqual(said[0])
  })

  test('no two values share a clause, and shares are shares', () => {
    const values = Object.values(PORTRAIT_ATTRIBUTES)
    const clauses = values.flat().map(({ clause }) => clause)
    expect(new Set(clauses).size).toBe(clauses.length)
    for (const list of values) expect(list.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 2)
  })

  test.each(PORTRAIT_EFFECTS)('prompts of a pair differ by the clause of %s alone', effect => {
    const clause = portraitEffects[effect].prompt.slice(prefix.length + 1)
    const pairs = indices(50).map(seed => portraitPrompts(effect, seed))
    for (const { input, target } of pairs) {
      expect(target).toContain(clause)
      expect(input).not.toContain(clause)
      const clauses = PORTRAIT_ATTRIBUTES[effect].map(value => value.clause)
      const own = clauses.filter(candidate => `${input},`.includes(` ${candidate},`))
      expect(own).toHaveLength(1)
      expect(input.replace(own[0]!, clause)).toBe(target)
    }
    expect(new Set(pairs.map(({ input }) => input)).size).toBe(50)
    if (effect === 'glasses') expect(pairs.every(({ input }) => input.includes('without glasses'))).toBe(true)
    if (effect === 'hair-colour') expect(pairs.some(({ input }) => /bald|wearing a/.test(input))).toBe(false)
  })

  test('what cannot be said is refused', () => {
    const invalid = (message: RegExp) =>
      expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) })
    expect(() => portraitCaption({ glasses: 'pink' })).toThrow(invalid(/'pink'.*'none' or 'some'/))
    expect(() => portraitCaption({ nose: 'long' } as never)).toThrow(invalid(/'nose'.*'hair-colour'/))
    expect(() => saidOf({ constructor: 'long' } as never, 1)).toThrow(invalid(/'constructor'/))
    expect(() => portraitPrompts('smile' as never, 1)).toThrow(expect.objectContaining({ code: 'unknown-effect' }))
  })
})

describe('captioned portraits', () => {
  test('the same index gives the same picture and caption, at every resolution', async () => {
    const [small] = await captionedPortraits().load([7], 16)
    const [, large] = await captionedPortraits().load([3, 7], 64)
    expect(large).toMatchObject({ width: 64, height: 64, caption: small!.caption, look: small!.look })
    expect((await captionedPortraits().load([7], 16))[0]!.data).toEqual(small!.data)
  })

  test('half of them show an effect, which the caption says', async () => {
    const images = await captionedPortraits().load(indices(600), 16)
    const share = (condition: (look: FullPortraitLook) => boolean) =>
      images.filter(({ look }) => condition(look)).length / images.length
    expect(share(look => /pink/.test(look['hair-colour']))).toBeCloseTo(0.125, 1)
    expect(share(look => /slightly|rather/.test(Object.values(look).join()))).toBeCloseTo(0.075, 1)
    for (const [attribute, value] of [
      ['hair-colour', 'vivid pink'],
      ['skin-colour', 'sky-blue'],
      ['background', 'green screen'],
    ] as const) {
      const clause = portraitEffects[attribute].prompt.slice(prefix.length + 1)
      for (const { look, caption } of images) expect(caption.includes(clause)).toBe(look[attribute] === value)
    }
  })

  test('colours are called by their names', async () => {
    const images = await captionedPortraits().load(indices(300), 16)
    // The corner of the picture is background.
    for (const { look, data } of images) {
      const [r, g, b] = data as unknown as [number, number, number]
      if (look.background === 'green screen') expect([r, g, b]).toEqual([0x00, 0xb1, 0x40])
      if (look.background === 'white') expect(Math.min(r, g, b)).toBeGreaterThan(180)
      if (look.background === 'pale blue') expect(b).toBeGreaterThan(r)
    }
  })

  test('random people are as the drawings are', async () => {
    const images = await captionedPortraits().load(indices(1500), 16)
    const drawn = indices(6000).map(seed => drawLook(seed))
    const shares = (looks: readonly FullPortraitLook[], attribute: PortraitAttribute) =>
      PORTRAIT_ATTRIBUTES[attribute].map(
        ({ name }) => looks.filter(look => look[attribute] === name).length / looks.length,
      )
    const looks = images.map(({ look }) => look)
    for (const attribute of ['hair-length', 'clothes', 'hat', 'smile', 'beard'] as const) {
      const expected = shares(looks, attribute)
      shares(drawn, attribute).forEach((share, i) => void expect(Math.abs(share - expected[i]!)).toBeLessThan(0.05))
    }
  })
})
