// Loading tfjs-layers registers tfjs's gradients.
import '@tensorflow/tfjs-layers'
import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import type { EffectSpec } from '@fx/core'
import { openCheckpoint } from '@fx/weights'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import unigram from '../../fixtures/text/unigram.json' with { type: 'json' }
import { collect } from '../../test/collect.js'
import { tinyBase, tinyEnlarger, tinyImagenTeacher, tinyStages } from '../../test/tiny-cascade.js'
import { wordEncoder } from '../../test/tiny-imagen.js'
import { encodeImagenStage, encodeT5, type ImagenTeacherOptions, randomT5Weights } from '../imagen.js'
import { equalImages, type PairRequest, type RgbImage, type SkippedSeed } from '../index.js'
import { teacherConformance } from '../testing.js'

const effect: EffectSpec = {
  id: 'blue',
  prompt: 'a blue disc',
  negativePrompt: 'a blurred photograph',
  parameters: { strength: { min: 0, max: 1, default: 1 } },
}

const leftHalf = ({ width }: RgbImage) =>
  Uint8Array.from({ length: width * width }, (_, i) => Number(i % width < width / 2))

let tensors = 0
let uninstall: () => void
beforeAll(async () => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
  uninstall = await installTrainingKernels()
})
afterAll(() => uninstall())

teacherConformance({
  name: 'imagen',
  create: () => tinyImagenTeacher({ method: { kind: 'inpaint', strength: 0.25 }, mask: leftHalf, alignment: {} }),
  effects: [effect],
  entry: '@fx/teacher-adapters/imagen',
  conditions: ['@fx/source'],
  pairs: 3,
  distillation: { pairs: 12 },
})

describe('imagenTeacher', () => {
  beforeEach(() => {
    tensors = tf.memory().numTensors
  })
  afterEach(() => {
    expect(tf.memory().numTensors).toBe(tensors)
  })

  /** Asks a teacher of these options for pairs, and frees it. */
  const ask = async (options: Partial<ImagenTeacherOptions> = {}, request: Partial<PairRequest> = {}) => {
    const teacher = await tinyImagenTeacher(options)
    try {
      return await collect(teacher.pairs({ effect, size: 16, seeds: [1, 2, 3], ...request }))
    } finally {
      await teacher.dispose?.()
    }
  }
  const images = (pairs: Awaited<ReturnType<typeof ask>>) => pairs.map(({ input, target }) => [input, target])

  test('pairs are the same in whatever batch', async () => {
    const usual = await ask()
    expect(images(await ask({ batchSize: 2 }))).toEqual(images(usual))
    expect(images(await ask({ batchSize: 4 }, { seeds: [3, 2, 1] })).reverse()).toEqual(images(usual))
    expect(equalImages(usual[0]!.input, usual[1]!.input)).toBe(false)
  })

  test('a pair says all that it was made of', async () => {
    const [pair] = await ask({}, { seeds: [1], parameters: { strength: 0.5 } })
    expect(pair).toMatchObject({
      id: 'imagen-blue-000001',
      parameters: { strength: 0.5 },
      provenance: {
        teacher: { id: 'imagen', version: expect.stringMatching(/^1-[0-9a-f]{16}$/) },
        weightsHash: expect.stringMatching(/^[0-9a-f]{64}$/),
        seed: 1,
        prompt: 'a blue disc',
        licence: { id: 'CC0-1.0' },
        extra: {
          backend: 'wasm',
          text: 'words',
          inputPrompt: 'a portrait of a person',
          negativePrompt: 'a blurred photograph',
          method: 'shared-noise',
          strengthAs: 'interpolation',
          sampler: 'dpm-solver++ 4, ddim 2',
          guidance: '3, 1',
          attempt: 0,
        },
      },
    })
  })

  test('the prompts of both pictures, and the negative one, are asked for', async () => {
    const text = wordEncoder()
    const prompts = ({ prompt }: EffectSpec, seed: number) => ({ input: `person ${seed}`, target: `${prompt} ${seed}` })
    const pairs = await ask({ text, prompts, effects: ['blue'] }, { seeds: [4, 9] })
    expect(text.encoded).toEqual([
      ['person 4'],
      ['a blue disc 4'],
      ['a blurred photograph'],
      ['person 9'],
      ['a blue disc 9'],
    ])
    expect(pairs.map(({ provenance }) => provenance.extra?.inputPrompt)).toEqual(['person 4', 'person 9'])
    const other = { ...effect, id: 'green' }
    await expect(ask({ effects: ['blue'] }, { effect: other })).rejects.toMatchObject({ code: 'unknown-effect' })
    await expect(ask({ prompts: () => 'words' as never })).rejects.toThrow(/"words".*seed 1.*\{ input, target \}/)
  })

  test('strength 0 is the input, and the more strength the further from it; a seed keeps its input', async () => {
    const methods: [ImagenTeacherOptions['method'], ImagenTeacherOptions['strength']][] = [
      [{ kind: 'shared-noise' }, 'interpolation'],
      [{ kind: 'sdedit', strength: 1 }, 'sdedit'],
      [{ kind: 'inpaint', mask: { maps: 1 } }, 'guidance'],
    ]
    for (const [method, strength] of methods) {
      const options = { method: method!, strength: strength!, batchSize: 3 }
      const at = async (value: number) => (await ask(options, { seeds: [1], parameters: { strength: value } }))[0]!
      const [none, some, full] = [await at(0), await at(0.5), await at(1)]
      expect(equalImages(none.input, none.target)).toBe(true)
      expect(equalImages(some.input, none.input) && equalImages(full.input, none.input)).toBe(true)
      expect(equalImages(some.target, full.target), strength).toBe(false)
      const sampled = await ask(options, { parameters: 'sampled' })
      const alone = await ask(options, { parameters: 'sampled', seeds: [2] })
      expect(images(alone)).toEqual([images(sampled)[1]])
    }
  })

  test('pixels outside of a given mask are the input’s, at every size that divides it', async () => {
    const pairs = await ask({ method: { kind: 'inpaint' }, mask: leftHalf }, { size: 8 })
    for (const { input, target } of pairs) {
      const inside = input.data.map((_, i) => Number(Math.floor(i / 3) % 8 < 4))
      expect(target.data.filter((_, i) => !inside[i])).toEqual(input.data.filter((_, i) => !inside[i]))
      expect(target.data.filter((_, i) => inside[i])).not.toEqual(input.data.filter((_, i) => inside[i]))
    }
    const short = ask({ method: { kind: 'inpaint' }, mask: () => new Uint8Array(3) })
    await expect(short).rejects.toMatchObject({ code: 'shape-mismatch', message: expect.stringMatching(/256 .*got 3/) })
  })

  test('pictures from elsewhere are edited', async () => {
    const source = (seed: number, side: number): RgbImage => ({
      width: side,
      height: side,
      data: Uint8Array.from({ length: side * side * 3 }, (_, i) => (i * 7 + seed) % 256),
    })
    const pairs = await ask({ method: { kind: 'sdedit', strength: 0.5 }, source })
    for (const { input, target, provenance } of pairs) {
      expect(equalImages(input, source(provenance.seed, 16))).toBe(true)
      expect(equalImages(input, target)).toBe(false)
    }
    const small = ask({ method: { kind: 'sdedit' }, source: seed => source(seed, 8) })
    await expect(small).rejects.toMatchObject({ code: 'shape-mismatch' })
  })

  test('a pair that the alignment filter or the caller refuses is tried again, and in the end given up', async () => {
    const seen: RgbImage[] = []
    const filter = (image: RgbImage) => {
      seen.push(image)
      return seen.length > 3
    }
    const [second] = await ask({ filter }, { seeds: [1] })
    expect(second!.provenance.extra?.attempt).toBe(3)
    const [first] = await ask({}, { seeds: [1] })
    expect(equalImages(seen[0]!, first!.input)).toBe(true)
    expect(equalImages(second!.input, first!.input)).toBe(false)

    await expect(ask({ filter: () => false, attempts: 2 }, { seeds: [1] })).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringMatching(/none of 2 pairs of seed 1 .*2 by the filter/),
    })
    const alignment = { maxChanged: 0.006 }
    await expect(ask({ alignment, attempts: 2 }, { seeds: [1] })).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringMatching(/2 by maxChanged \(0\.006.*raise alignment\.maxChanged/),
    })
    const skipped: SkippedSeed[] = []
    const pairs = await ask(
      { attempts: 1, filter: () => seen.push() > 0 },
      { seeds: [1, 2], onSkip: one => skipped.push(one) },
    )
    expect(pairs.map(({ provenance }) => provenance.seed)).toEqual([1, 2])
    await ask({ attempts: 1, filter: () => false }, { seeds: [5, 6], onSkip: one => skipped.push(one) })
    expect(skipped).toEqual([
      { seed: 5, reason: 'filtered', message: expect.stringMatching(/seed 5/) },
      { seed: 6, reason: 'filtered', message: expect.stringMatching(/seed 6/) },
    ])
  })

  test('accepted pairs tell their scores', async () => {
    const lenient = { minChanged: 0, maxChanged: 1, maxDrift: 255, maxMoved: 1 }
    const [pair] = await ask({ alignment: lenient }, { seeds: [1] })
    expect(pair!.provenance.extra).toMatchObject({
      changed: expect.any(Number),
      drift: expect.any(Number),
      moved: expect.any(Number),
    })
  })

  test('an abort is felt between steps; so is disposal', async () => {
    const controller = new AbortController()
    let steps = 0
    const onProgress = () => {
      if (++steps === 2) controller.abort()
    }
    await expect(ask({ onProgress }, { signal: controller.signal })).rejects.toMatchObject({ code: 'aborted' })
    expect(steps).toBe(2)

    const teacher = await tinyImagenTeacher({
      onProgress: () => {
        disposing ??= teacher.dispose?.()
      },
    })
    let disposing: Promise<void> | undefined
    await expect(collect(teacher.pairs({ effect, size: 16, seeds: [1] }))).rejects.toThrow(/'imagen' was disposed/)
    await disposing
    await expect(collect(teacher.pairs({ effect, size: 16, seeds: [1] }))).rejects.toThrow(/was disposed/)
  })

  test('stages may lie in files; an opened text encoder is freed with the teacher', async () => {
    const [base, enlarger] = tinyStages().map(stage => encodeImagenStage(stage))
    let freed = 0
    const text = async () => ({ ...wordEncoder(), dispose: () => freed++ }) as never
    const stages = [base!, await openCheckpoint(enlarger!)]
    expect(images(await ask({ stages, text }))).toEqual(images(await ask()))
    expect(freed).toBe(1)
  })

  test('the text encoder may be opened from its files', async () => {
    const config = { vocabSize: 120, dModel: 8, numLayers: 1, numHeads: 2, dFf: 12 }
    const checkpoint = encodeT5({ config, weights: randomT5Weights(config, 1), length: 12 })
    const stages = tinyStages().map(stage => ({ ...stage, stage: { ...stage.stage, text: '' } }))
    const [pair] = await ask({ stages, text: { checkpoint, tokenizer: unigram.tokenizer } }, { seeds: [1] })
    expect(pair!.provenance.extra?.text).toMatch(/^t5-/)
  })

  test('the version changes with what is computed', async () => {
    const versionOf = async (options: Partial<ImagenTeacherOptions>) => {
      const teacher = await tinyImagenTeacher(options)
      await teacher.dispose?.()
      return teacher.version
    }
    const versions = await Promise.all(
      (
        [
          {},
          { text: { ...wordEncoder(), id: 'words' } },
          { sampling: [] },
          { sampling: [{ threshold: false }] },
          { method: { kind: 'sdedit' } },
          { method: { kind: 'sdedit' }, strength: 'guidance' },
          { attempts: 9 },
          { revision: 2 },
          { filter: () => true },
          { stages: [tinyBase()], sampling: [] },
        ] satisfies Partial<ImagenTeacherOptions>[]
      ).map(versionOf),
    )
    expect(versions[0]).toBe(versions[1])
    expect(new Set(versions).size).toBe(versions.length - 1)
  })

  test.each<[string, Partial<ImagenTeacherOptions>, RegExp]>([
    ['no stage', { stages: [] }, /at least one stage/],
    ['stages in the wrong order', { stages: tinyStages().reverse() }, /stage 1 enlarges/],
    [
      'another text encoder',
      { text: wordEncoder('t5') },
      /stage 1 was trained with the text encoder 'words', not 't5'/,
    ],
    ['stages of other widths', { stages: [tinyBase({ encoderHidDim: 16 }), tinyEnlarger()] }, /width 8.* 16/],
    ['an id with a slash', { id: 'a/b' }, /a\/b/],
    ['an unknown method', { method: { kind: 'p2p' } as never }, /"p2p".*'shared-noise'/],
    ['an unknown mapping', { strength: 'linear' as never }, /"linear".*'interpolation'/],
    ['SDEdit strengths of shared noise', { strength: 'sdedit' }, /needs the method/],
    ['a mask without inpainting', { mask: () => new Uint8Array(0) }, /mask needs the method 'inpaint'/],
    ['sources with shared noise', { source: () => ({}) as never }, /share no noise/],
    ['a share above 1', { method: { kind: 'shared-noise', shared: 2 } }, /shared is 2/],
    ['no attempts', { attempts: 0 }, /attempts is 0/],
    ['half a pair at a time', { batchSize: 0.5 }, /batchSize is 0.5/],
    ['two samplings of one stage', { stages: [tinyBase()] }, /1 and 2/],
  ])('%s: refused, with no tensor left', async (_, options, message) => {
    await expect(tinyImagenTeacher(options)).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(message),
    })
  })

  test('strengths that the mapping cannot reach are refused', async () => {
    const range = (min: number, max: number) => ({ ...effect, parameters: { strength: { min, max, default: max } } })
    await expect(ask({}, { effect: range(-1, 1) })).rejects.toThrow(/strength is -1/)
    await expect(ask({ method: { kind: 'sdedit' } }, { effect: range(0, 2) })).rejects.toThrow(/strength is 2.*0 to 1/)
    await expect(ask({}, { effect: range(0, 0) })).rejects.toThrow(/always 0/)
  })
})
