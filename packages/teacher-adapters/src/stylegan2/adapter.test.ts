import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { prepareBackend } from '@fx/backend'
import { sha256Hex } from '@fx/core'
import { openCheckpoint } from '@fx/weights'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { collect } from '../../test/collect.js'
import { filesIn, temporaryFolder } from '../../test/folder.js'
import { hashTinyPairs } from '../../test/hash-tiny-pairs.js'
import { tinyConfig, tinyEdit, tinyEffect, tinyGenerator, tinyTeacher, tinyWeights } from '../../test/tiny-stylegan2.js'
import { equalImages, type PairRequest, type TeacherAdapter } from '../index.js'
import { recordShards } from '../shards.js'
import {
  directionEdit,
  type Edit,
  encodeEdits,
  encodeStylegan2,
  type GeneratorSource,
  type LatentEditor,
  toRgbImages,
} from '../stylegan2.js'
import { teacherConformance } from '../testing.js'

const isFxError = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })
const ask = (teacher: TeacherAdapter, request: Partial<PairRequest> = {}) =>
  collect(teacher.pairs({ effect: tinyEffect, size: 16, seeds: [0, 1], ...request }))
const pixels = ({ input, target }: { input: { data: Uint8Array }; target: { data: Uint8Array } }) =>
  sha256Hex(input.data) + sha256Hex(target.data)

// The first of the file, because later ones prepare a backend.
test('without a backend it says what to call', async () => {
  await expect(tinyTeacher()).rejects.toEqual(isFxError('backend-unavailable', /prepareBackend\(\)/))
})

describe.each(['cpu', 'wasm'] as const)('on %s', backend => {
  beforeAll(async () => {
    await prepareBackend({ backend, threads: 1 })
  })

  const source = { entry: '@fx/teacher-adapters/stylegan2', conditions: ['@fx/source'] }
  teacherConformance({
    ...source,
    name: `stylegan2${backend === 'wasm' ? ' in batches' : ''}`,
    create: () => tinyTeacher(backend === 'wasm' ? { batchSize: 3, noise: 'random' } : {}),
    effects: [tinyEffect],
    distillation: { pairs: 12 },
  })

  test('the input is G(w), the target G(w + strength * d), both with the same noise', async () => {
    const generator = tinyGenerator()
    const teacher = await tinyTeacher({ alignment: false, truncation: { psi: 0.5, cutoff: 4 }, noise: 'random' })
    const [pair] = await ask(teacher, { seeds: [7], parameters: { strength: 0.1 } })
    const w = generator.truncate(generator.mapping(generator.latents([7])), { psi: 0.5, cutoff: 4 })
    const noise = { seeds: [7] }
    const [input] = await toRgbImages(generator.synthesis(w, { noise }))
    const [target] = await toRgbImages(generator.synthesis(tinyEdit.apply(generator, w, [0.1]), { noise }))
    expect(equalImages(pair!.input, input!)).toBe(true)
    expect(equalImages(pair!.target, target!)).toBe(true)
    expect(equalImages(input!, target!)).toBe(false)
    generator.dispose()
    await teacher.dispose?.()
  })

  test('a seed shows one face at every strength; strength 0 is the input itself', async () => {
    const teacher = await tinyTeacher()
    const at = async (strength: number) => await ask(teacher, { seeds: [0, 1, 2], parameters: { strength } })
    const [none, some, full] = [await at(0), await at(0.1), await at(0.25)]
    none.forEach((pair, i) => {
      expect(equalImages(pair.input, pair.target)).toBe(true)
      for (const stronger of [some[i]!, full[i]!]) {
        expect(equalImages(stronger.input, pair.input)).toBe(true)
        expect(equalImages(stronger.target, pair.target)).toBe(false)
        expect(stronger.provenance).toEqual(pair.provenance)
      }
    })
    expect(await ask(teacher, { seeds: [0, 1, 2], parameters: { strength: 0.25 } })).toEqual(full)
    await teacher.dispose?.()
  })

  test('nothing is left behind, and dispose frees everything', async () => {
    const start = tf.memory().numTensors
    const teacher = await tinyTeacher({ batchSize: 2, noise: 'random' })
    await ask(teacher)
    const held = tf.memory().numTensors
    await ask(teacher, { seeds: [3, 4, 5], parameters: 'sampled' })
    for await (const _ of teacher.pairs({ effect: tinyEffect, size: 16, seeds: [1, 2, 3] })) break
    expect(tf.memory().numTensors).toBe(held)
    await teacher.dispose?.()
    await teacher.dispose?.()
    expect(tf.memory().numTensors).toBe(start)
    await expect(ask(teacher)).rejects.toEqual(isFxError('invalid-argument', /disposed/))
    const wide = directionEdit({
      id: 'wide',
      space: 'w',
      direction: new Float32Array(9).fill(1),
      strength: tinyEdit.strength,
    })
    await expect(tinyTeacher({ edits: [wide] })).rejects.toEqual(isFxError('shape-mismatch', /'wide' must have 8/))
    expect(tf.memory().numTensors).toBe(start)
  })
})

describe('the teacher', () => {
  const folder = temporaryFolder()
  beforeAll(async () => {
    await prepareBackend({ backend: 'wasm', threads: 1 })
  })

  test('a pair depends neither on its batch, nor on the order of seeds, nor on the process', async () => {
    const program = fileURLToPath(new URL('../../test/hash-stylegan2.ts', import.meta.url))
    const run = async (batchSize: number, ...seeds: number[]): Promise<Record<string, string>> => {
      const node = ['--conditions=@fx/source', '--import', 'tsx', program]
      const { stdout } = await promisify(execFile)(process.execPath, [...node, ...[batchSize, ...seeds].map(String)])
      return JSON.parse(stdout)
    }
    const [one, other] = [await run(1, 0, 1, 2, 3, 4), await run(4, 3, 1, 4, 2, 0)]
    expect(Object.keys(one)).toHaveLength(15)
    expect(other).toEqual(one)
    for (const on of ['wasm', 'wasm with kernels'] as const) {
      expect(one).toMatchObject(await hashTinyPairs(on, 3, [4, 0]))
    }
  })

  test('recording goes on in the middle, byte for byte', async () => {
    const seeds = [8, 3, 5, 0, 11, 2, 7]
    const record = async (name: string, options: { batchSize?: number; stopAt?: number }) => {
      const teacher = await tinyTeacher({ batchSize: options.batchSize ?? 1 })
      const controller = new AbortController()
      const request: PairRequest = {
        effect: tinyEffect,
        size: 16,
        seeds,
        parameters: 'sampled',
        signal: controller.signal,
      }
      const onProgress = ({ pairs }: { pairs: number }) => {
        if (pairs === options.stopAt) controller.abort()
      }
      try {
        await recordShards(folder(name), teacher, request, { pairsPerShard: 2, onProgress })
      } finally {
        await teacher.dispose?.()
      }
    }
    await record('whole', {})
    await expect(record('broken', { stopAt: 5 })).rejects.toEqual(isFxError('aborted', /aborted/))
    expect(await filesIn(folder('broken'))).not.toEqual(await filesIn(folder('whole')))
    await record('broken', { batchSize: 4 })
    expect(await filesIn(folder('broken'))).toEqual(await filesIn(folder('whole')))
  })

  test('a generator may come from a file, an address, bytes, an open checkpoint or memory', async () => {
    const memory = { config: tinyConfig, weights: tinyWeights() }
    const bytes = encodeStylegan2({ generator: memory })
    const path = folder('tiny.safetensors')
    await writeFile(path, bytes)
    const opened = await openCheckpoint(bytes)
    const versions = new Set<string>()
    for (const checkpoint of [memory, bytes, opened, path, pathToFileURL(path)]) {
      const teacher = await tinyTeacher({ checkpoint })
      versions.add(teacher.version)
      await teacher.dispose?.()
    }
    const stored = encodeEdits([tinyEdit])
    await writeFile(folder('edits.safetensors'), stored)
    for (const edits of [stored, folder('edits.safetensors'), pathToFileURL(folder('edits.safetensors'))]) {
      const teacher = await tinyTeacher({ edits })
      expect(teacher.capabilities.effects).toEqual(['colour'])
      versions.add(teacher.version)
      await teacher.dispose?.()
    }
    expect(versions.size).toBe(1)
    const refused = (checkpoint: GeneratorSource, network: string | undefined, code: string, message: RegExp) =>
      expect(tinyTeacher({ checkpoint, ...(network && { network }) })).rejects.toEqual(isFxError(code, message))
    await refused(bytes, 'G', 'not-found', /no generator 'G'; it has 'G_ema'/)
    await refused(folder('none.pkl'), undefined, 'not-found', /none\.pkl/)
    await refused(bytes.slice(0, -5), undefined, 'corrupt-file', /truncated/)
    await refused({ config: tinyConfig, weights: new Map() }, undefined, 'not-found', /weights lack/)
  })

  test('faces that the filter refuses are drawn again; the pair tells which one it shows', async () => {
    const [strict, loose] = [await tinyTeacher(), await tinyTeacher({ alignment: false })]
    const seeds = [0, 1, 2, 3, 4, 5, 6, 7]
    const [kept, first] = [await ask(strict, { seeds }), await ask(loose, { seeds })]
    const attempts = kept.map(({ provenance }) => provenance.extra!.attempt as number)
    expect(Math.max(...attempts)).toBeGreaterThan(0)
    expect(Math.min(...attempts)).toBe(0)
    attempts.forEach((attempt, i) => {
      expect(pixels(kept[i]!) === pixels(first[i]!)).toBe(attempt === 0)
      const { changed, drift, moved } = kept[i]!.provenance.extra as Record<string, number>
      expect(changed).toBeGreaterThanOrEqual(0.005)
      expect(changed).toBeLessThanOrEqual(0.7)
      expect(drift).toBeLessThanOrEqual(8)
      expect(moved).toBeLessThanOrEqual(0.25)
      expect(first[i]!.provenance.extra).not.toHaveProperty('changed')
    })
    const { provenance } = kept[0]!
    expect(provenance).toMatchObject({
      teacher: { id: 'stylegan2', version: strict.version },
      seed: 0,
      licence: { id: 'NOASSERTION' },
      extra: { backend: 'wasm', edit: 'colour', editVersion: tinyEdit.version, psi: 0.7 },
    })
    expect(provenance.weightsHash).toMatch(/^[0-9a-f]{64}$/)
    expect(strict.version).not.toBe(loose.version)
    for (const teacher of [strict, loose]) await teacher.dispose?.()
  })

  test('a seed without an aligned face fails, and the error says how to get one', async () => {
    const ways = [
      [
        { maxChanged: 0.006 },
        /3 faces of seed 9 .*3 by maxChanged \(0\.006; the nearest changed was 0\.\d+\).*raise alignment.maxChanged/,
      ],
      [{ minChanged: 1, maxChanged: 1 }, /3 by minChanged .*lower alignment.minChanged/],
      [{ maxChanged: 1, maxDrift: 0 }, /by maxDrift .*raise alignment.maxDrift.*alignment: false/],
    ] as const
    for (const [alignment, message] of ways) {
      const teacher = await tinyTeacher({ alignment, attempts: 3 })
      await expect(ask(teacher, { seeds: [9] })).rejects.toEqual(isFxError('not-found', message))
      await teacher.dispose?.()
    }
  })

  test('a request can be aborted while faces are tried', async () => {
    let [calls, abort] = [0, () => {}]
    const edit: Edit = {
      ...tinyEdit,
      apply(...given) {
        if (++calls % 3 === 0) abort()
        return tinyEdit.apply(...given)
      },
    }
    const teacher = await tinyTeacher({
      edits: [edit],
      alignment: { minChanged: 1, maxChanged: 1 },
      attempts: 10_000,
    })
    const askAndAbort = async (when: (abort: () => void) => void) => {
      const controller = new AbortController()
      when(() => controller.abort())
      await expect(ask(teacher, { seeds: [1], signal: controller.signal })).rejects.toEqual(
        isFxError('aborted', /aborted/),
      )
    }
    const byTheEdit = (now: () => void) => {
      abort = now
    }
    await askAndAbort(byTheEdit)
    const { numTensors } = tf.memory()
    await askAndAbort(byTheEdit)
    // A timer fires only when the search lets it.
    abort = () => {}
    await askAndAbort(now => setTimeout(now, 50))
    expect(tf.memory().numTensors).toBe(numTensors)
    await teacher.dispose?.()
  })

  test('a strength both ways is judged both ways', async () => {
    const edit = directionEdit({
      id: 'colour',
      space: 'styles',
      direction: { 'b4.torgb': Float32Array.of(1, -1, 1, -1, 1, -1, 1, -1) },
      strength: { min: -3, max: 0.2, default: 0.2 },
    })
    const teacher = await tinyTeacher({ edits: [edit], attempts: 8 })
    const effect = (min: number) => ({ ...tinyEffect, parameters: { strength: { min, max: 0.2, default: 0.2 } } })
    expect(await ask(teacher, { effect: effect(0) })).toHaveLength(2)
    await expect(ask(teacher, { effect: effect(-3) })).rejects.toEqual(isFxError('not-found', /\d by maxChanged/))
    await teacher.dispose?.()
  })

  test('smaller sizes are the same pictures, averaged', async () => {
    const teacher = await tinyTeacher()
    const [[large], [small], [odd]] = [
      await ask(teacher, { seeds: [1] }),
      await ask(teacher, { seeds: [1], size: 8 }),
      await ask(teacher, { seeds: [1], size: 11 }),
    ]
    const at = (x: number, y: number) => large!.target.data[3 * (16 * y + x)]!
    expect(small!.target.data[3 * (8 * 2 + 3)]).toBe(Math.round((at(6, 4) + at(7, 4) + at(6, 5) + at(7, 5)) / 4))
    const mean = ({ data }: { data: Uint8Array }) => data.reduce((sum, v) => sum + v, 0) / data.length
    for (const pair of [small!, odd!]) expect(Math.abs(mean(pair.input) - mean(large!.input))).toBeLessThan(0.5)
    await teacher.dispose?.()
  })

  test('a network with labels shows the one that was asked for', async () => {
    const checkpoint = { config: { ...tinyConfig, cDim: 2 }, weights: tinyWeights({ cDim: 2 }) }
    const teachers = await Promise.all(
      [
        [1, 0],
        [0, 1],
      ].map(label => tinyTeacher({ checkpoint, label, alignment: false })),
    )
    const [[a], [b]] = [await ask(teachers[0]!), await ask(teachers[1]!)]
    expect(equalImages(a!.input, b!.input)).toBe(false)
    await expect(tinyTeacher({ checkpoint })).rejects.toEqual(isFxError('invalid-argument', /labels of shape \[1, 2\]/))
    await expect(tinyTeacher({ checkpoint, label: [1] })).rejects.toEqual(isFxError('shape-mismatch', /labels/))
    for (const teacher of teachers) await teacher.dispose?.()
  })

  test('an editor makes the edits that have no name, once for each effect', async () => {
    const asked: string[] = []
    let freed = 0
    const editor: LatentEditor = {
      id: 'texts',
      version: '1',
      async edit(effect, generator, { signal }) {
        signal?.throwIfAborted()
        asked.push(effect.prompt)
        const direction = new Float32Array(generator.config.wDim).fill(effect.prompt.length / 100)
        const edit: Edit = directionEdit({
          id: 'made',
          space: 'w',
          direction,
          strength: { min: 0, max: 1, default: 1 },
        })
        return { ...edit, dispose: () => void freed++ }
      },
    }
    const teacher = await tinyTeacher({ editor, alignment: false })
    expect(teacher.capabilities.effects).toBe('any')
    const effect = { id: 'elf', prompt: 'an elf', parameters: {} }
    const [named] = await ask(teacher)
    expect(asked).toEqual([])
    expect(named!.provenance).not.toHaveProperty('prompt')
    const [made] = await ask(teacher, { effect })
    expect(made!.provenance).toMatchObject({ prompt: 'an elf', extra: { editor: 'texts', edit: 'made' } })
    await ask(teacher, { effect })
    await ask(teacher, { effect: { ...effect, prompt: 'a troll' } })
    expect(asked).toEqual(['an elf', 'a troll'])
    await teacher.dispose?.()
    expect(freed).toBe(2)
  })

  test('options that do not fit are refused', async () => {
    const refused = (options: object, code: string, message: RegExp) =>
      expect(tinyTeacher(options)).rejects.toEqual(isFxError(code, message))
    await refused({ edits: [] }, 'invalid-argument', /edits or an editor/)
    await refused({ edits: [tinyEdit, tinyEdit] }, 'invalid-argument', /two edits have the id 'colour'/)
    await refused({ id: 'a b' }, 'invalid-argument', /'a b'/)
    await refused({ attempts: 0 }, 'invalid-argument', /attempts is 0/)
    await refused({ batchSize: 1.5 }, 'invalid-argument', /batchSize is 1.5/)
    await refused({ noise: 'loud' }, 'invalid-argument', /noise is "loud".*'const'/)
    await refused({ truncation: { cutoff: 9 } }, 'invalid-argument', /cutoff is 9/)
    await refused({ alignment: { maxDrift: -1 } }, 'invalid-argument', /maxDrift is -1/)
    await refused({ label: [1] }, 'invalid-argument', /takes no labels/)
    const teacher = await tinyTeacher()
    const strength = { min: 0, max: 1, default: 0 }
    await expect(ask(teacher, { effect: { ...tinyEffect, parameters: { strength } } })).rejects.toEqual(
      isFxError('invalid-argument', /from 0 to 1; the edit 'colour' has strengths from 0 to 0.25/),
    )
    await teacher.dispose?.()
  })
})
