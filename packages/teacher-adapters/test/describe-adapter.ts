import { type EffectSpec, FxError } from '@fx/core'
import { describe, expect, test } from 'vitest'
import { checkRgbImage, equalImages, type PairRequest, type TeacherAdapter } from '../src/index.js'
import { collect } from './collect.js'

export interface AdapterCase {
  adapter: () => Promise<TeacherAdapter> | TeacherAdapter
  /** An effect that the adapter knows. */
  effect: EffectSpec
  size: number
  /** At least four seeds, not in order. */
  seeds: readonly number[]
}

/** What every teacher owes the contract, whatever makes its pairs. */
export const describeAdapter = (name: string, { adapter: open, effect, size, seeds }: AdapterCase): void => {
  const ask = async (request: Partial<PairRequest>) =>
    collect((await open()).pairs({ effect, size, seeds, ...request } as PairRequest))
  const refusal = (code: string, message: RegExp) =>
    expect.objectContaining({ code, message: expect.stringMatching(message) })

  describe(`${name} keeps the teacher contract`, () => {
    test('it says who it is and what it can do', async () => {
      const { specificationVersion, id, version, capabilities } = await open()
      expect(specificationVersion).toBe('v1')
      expect(id).toMatch(/^[\w-]+$/)
      expect(version).not.toBe('')
      expect(capabilities.pairCount).toBeGreaterThan(0)
      expect(capabilities.size.min).toBeLessThanOrEqual(capabilities.size.max)
      if (capabilities.effects !== 'any') expect(capabilities.effects).toContain(effect.id)
    })

    test('a pair for each seed, in their order, each whole and saying where it came from', async () => {
      const pairs = await ask({})
      expect(pairs).toHaveLength(seeds.length)
      expect(new Set(pairs.map(pair => pair.id)).size).toBe(seeds.length)
      for (const pair of pairs) {
        expect(pair.id).toMatch(/^[\w-]+$/)
        for (const image of [pair.input, pair.target]) {
          checkRgbImage(image)
          expect([image.width, image.height]).toEqual([size, size])
        }
        expect(Object.keys(pair.parameters)).toEqual(Object.keys(effect.parameters))
        expect(pair.provenance.licence.id).not.toBe('')
        expect(pair.provenance.teacher.id).not.toBe('')
        expect(JSON.parse(JSON.stringify(pair.provenance))).toEqual(pair.provenance)
      }
    })

    test('a seed gives the same pixels again, in whatever company', async () => {
      const all = await ask({})
      const [alone] = await ask({ seeds: [seeds[2]!] })
      expect(equalImages(alone!.input, all[2]!.input)).toBe(true)
      expect(equalImages(alone!.target, all[2]!.target)).toBe(true)
      expect({ ...alone, input: 0, target: 0 }).toEqual({ ...all[2], input: 0, target: 0 })
    })

    test('seeds may be any iterable, drawn as pairs are taken', async () => {
      const drawn: number[] = []
      const endless = (function* () {
        for (let i = 0; ; i++) {
          drawn.push(i)
          yield seeds[i % seeds.length]!
        }
      })()
      for await (const _ of (await open()).pairs({ effect, size, seeds: endless })) if (drawn.length >= 3) break
      expect(drawn).toEqual([0, 1, 2])
      expect(await ask({ seeds: [] })).toEqual([])
    })

    test('an unknown effect is refused, and the known ones are listed', async () => {
      const { capabilities } = await open()
      if (capabilities.effects === 'any') return
      await expect(ask({ effect: { ...effect, id: 'no-such-effect' } })).rejects.toEqual(
        refusal('unknown-effect', new RegExp(`no-such-effect.*${effect.id}`)),
      )
    })

    test('a malformed effect, size, seed or parameter is refused before the first pair', async () => {
      const { max } = (await open()).capabilities.size
      await expect(ask({ effect: { ...effect, id: 'No Id' } })).rejects.toEqual(refusal('invalid-argument', /kebab/))
      for (const bad of [0, -1, 1.5, Number.NaN, max + 1]) {
        await expect(ask({ size: bad })).rejects.toEqual(refusal('invalid-argument', new RegExp(`${bad}.*${max}`)))
      }
      for (const bad of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        await expect(ask({ seeds: [...seeds, bad] })).rejects.toEqual(
          refusal('invalid-argument', new RegExp(`seed ${bad}`)),
        )
        await expect(ask({ seeds: new Set([bad]) })).rejects.toEqual(
          refusal('invalid-argument', new RegExp(`seed ${bad}`)),
        )
      }
      await expect(ask({ parameters: { none: 1 } })).rejects.toEqual(refusal('invalid-argument', /'none'/))
      await expect(ask({ parameters: 'random' as never })).rejects.toEqual(
        refusal('invalid-argument', /'random'.*'sampled'/),
      )
      const extra = { ...effect.parameters, age: { min: 0, max: 1, default: 0 } }
      await expect(ask({ effect: { ...effect, parameters: extra } })).rejects.toEqual(
        refusal('invalid-argument', /'age'/),
      )
    })

    test('an aborted request makes no pair; one aborted on the way stops at the next', async () => {
      await expect(ask({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toEqual(
        expect.objectContaining({ code: 'aborted', cause: expect.objectContaining({ message: 'enough' }) }),
      )
      const controller = new AbortController()
      let taken = 0
      const run = async () => {
        for await (const _ of (await open()).pairs({ effect, size, seeds, signal: controller.signal })) {
          if (++taken === 2) controller.abort()
        }
      }
      await expect(run()).rejects.toSatisfy(error => FxError.isInstance(error, 'aborted'))
      expect(taken).toBe(2)
    })
  })
}
