import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { temporaryFolder } from '../../../test/folder.js'
import { cut, edit, edited, failure, hostedServer, images, json, photograph } from '../../../test/hosted-server.js'
import { difference, effect, hostedTeacher } from '../../../test/hosted-teacher.js'
import { noise } from '../../../test/noise.js'
import type { HostedImagenTeacherOptions } from '../../imagen-hosted.js'
import { encodePng } from '../../index.js'

const size = 16
const server = hostedServer()
const { teacherOf, run, attempt } = hostedTeacher(server, size)
const at = temporaryFolder()

/** Every kind of answer: an edit, three failures of the service, two answers that make no pair. */
const mixed = {
  seeds: [0, 1, 2, 3, 4, 5],
  replies: [
    edited,
    json({ promptFeedback: { blockReason: 'SAFETY' } }),
    failure(400, 'Unsupported image.'),
    cut,
    images({ data: 'garbage' }),
    images({ data: encodePng(noise(1, size)) }),
  ],
}
const photographOf = (data: Uint8Array): number =>
  mixed.seeds.find(seed => difference(photograph(seed, size).data, data) === 0)!

const files = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .sort()

test('a second run asks nothing: it needs no key, and gives the same pairs and the same failures', async () => {
  server.reply = (request, response) => mixed.replies[photographOf(request.image!.data)]!(request, response)
  const first = await run({ cache: at() }, { seeds: mixed.seeds })
  expect(first.pairs.map(({ provenance }) => provenance.seed)).toEqual([0])
  const reasons = ['filtered', 'rejected', 'unavailable', 'unreadable', 'misaligned']
  expect(first.skipped.map(({ reason }) => reason)).toEqual(reasons)
  const requests = server.requests.length
  expect(requests).toBe(5 + 3)
  const second = await run({ cache: at(), apiKey: '', baseUrl: 'http://127.0.0.1:9' }, { seeds: mixed.seeds })
  expect({ pairs: second.pairs, skipped: second.skipped }).toEqual({ pairs: first.pairs, skipped: first.skipped })
  expect(second.usage).toMatchObject({ requests: 0, cached: 6, images: 0 })
  expect(server.requests).toHaveLength(requests)

  const names = await files(at())
  expect(names).toHaveLength(6)
  for (const name of names) expect(name).toMatch(/\/([0-9a-f]{2})\/\1[0-9a-f]{62}\.json$/)
  const { extra } = first.pairs[0]!.provenance
  const kept = JSON.parse(await readFile(names.find(name => name.includes(extra!.answer as string))!, 'utf8'))
  expect(kept).toMatchObject({
    formatVersion: 1,
    request: { model: 'gemini-test-image', api: 'gemini', prompt: expect.stringContaining('a blue disc') },
    images: [{ data: expect.stringMatching(/^iVBOR/) }],
    usage: { inputTokens: 300, outputTokens: 1290 },
  })
})

test('what failed is asked for again when that is wanted, once, and for the reasons that are named', async () => {
  const cache = new Map()
  server.reply = (request, response) => mixed.replies[photographOf(request.image!.data)]!(request, response)
  await run({ cache }, { seeds: mixed.seeds })
  const asked = server.requests.length
  await run({ cache, retryFailed: ['filtered', 'misaligned'] }, { seeds: mixed.seeds })
  expect(server.requests).toHaveLength(asked + 2)
  const teacher = teacherOf({ cache, retryFailed: true, retries: { attempts: 1 } })
  expect(teacher.capabilities.deterministic).toBe(false)
  for (let i = 0; i < 2; i++) for await (const _ of teacher.pairs({ effect, size, seeds: mixed.seeds }));
  expect(server.requests).toHaveLength(asked + 2 + 5)
  server.reply = edited
  expect((await run({ cache, retryFailed: true }, { seeds: mixed.seeds })).pairs).toHaveLength(6)
  expect((await run({ cache }, { seeds: mixed.seeds })).pairs).toHaveLength(6)
})

test.each([
  ['another model', { model: 'other' }, {}, true],
  ['another config', { config: { seed: 1 } }, {}, true],
  ['other words', { prompt: 'Draw {prompt}' }, {}, true],
  ['another effect', {}, { effect: { ...effect, prompt: 'a green disc' } }, true],
  ['another key', { apiKey: 'another' }, {}, false],
  ['another size', {}, { size: 8 }, false],
  ['another filter', { alignment: { maxDrift: 9 } }, {}, false],
  [
    'another mask, which is not sent',
    { mask: { version: '1', of: () => new Uint8Array(size * size).fill(255) } },
    {},
    false,
  ],
  ['another licence and id', { licence: { id: 'MIT' }, id: 'mine' }, {}, false],
])('%s: is it asked for again?', async (_, options: Partial<HostedImagenTeacherOptions>, request, again) => {
  const cache = new Map()
  await run({ cache })
  await run({ cache, ...options }, request)
  expect(server.requests).toHaveLength(again ? 2 : 1)
})

test('equal photographs are asked for once, also at the same time', async () => {
  const same = { id: 'same', count: 9, load: async () => [photograph(1, size)] }
  const { pairs, usage } = await run({ images: same }, { seeds: [0, 1, 2, 3, 4, 5, 6, 7, 8] })
  expect(new Set(pairs.map(({ id }) => id)).size).toBe(9)
  expect(server.requests).toHaveLength(1)
  expect(usage.requests).toBe(1)
})

test('without a cache everything is asked for again, and said to differ', async () => {
  const teacher = teacherOf({ cache: false })
  expect(teacher.capabilities.deterministic).toBe(false)
  for (let i = 0; i < 2; i++) for await (const _ of teacher.pairs({ effect, size, seeds: [0] }));
  expect(server.requests).toHaveLength(2)
  expect(teacherOf().capabilities.deterministic).toBe(true)
})

describe('a cache that fails', () => {
  test.each([
    ['not JSON', 'nonsense', 'corrupt-file', /is not JSON/],
    ['another JSON', '{"formatVersion":1}', 'corrupt-file', /not an answer of a hosted model/],
  ] as const)('an entry that is %s is told, not paid for anew', async (_, text, code, message) => {
    await run({ cache: at() })
    const [name] = await files(at())
    await writeFile(name!, text)
    const { error } = await attempt({ cache: at() })
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
    expect(server.requests).toHaveLength(1)
  })

  test('a folder that is a file', async () => {
    await writeFile(at('file'), '')
    expect((await attempt({ cache: at('file') })).error).toMatchObject({ code: 'write-failed' })
  })

  test('one of one’s own', async () => {
    const broken = () => {
      throw new Error('no connection')
    }
    const reading = await attempt({ cache: { get: broken, set: vi.fn() } })
    expect(reading.error).toMatchObject({
      code: 'service-failed',
      message: expect.stringMatching(/cache.*no connection/),
    })
    const writing = await attempt({ cache: { get: async () => null, set: broken } })
    expect(writing.error).toMatchObject({ code: 'write-failed' })
  })
})

describe('strength', () => {
  const range = { min: 0, max: 1, default: 1 }
  const fading = { ...effect, parameters: { strength: range } }

  test('is a cross-fade of one and the same answer', async () => {
    const cache = new Map()
    const at = async (strength: number) =>
      (await run({ cache }, { effect: fading, parameters: { strength } })).pairs[0]!
    const [none, half, whole] = [await at(0), await at(0.5), await at(1)]
    expect(server.requests).toHaveLength(1)
    expect(none.target).toEqual(none.input)
    const middle = none.input.data.map((value, i) => Math.round((value + whole.target.data[i]!) / 2))
    expect(difference(half.target.data, middle)).toBeLessThan(0.51)
    expect(difference(whole.target.data, edit(whole.input, 1).data)).toBeLessThan(8)
    expect(half).toMatchObject({ parameters: { strength: 0.5 }, provenance: { extra: { strengthBy: 'cross-fade' } } })
    for (const wrong of [
      { min: 0, max: 2, default: 1 },
      { min: -1, max: 1, default: 1 },
      { min: 0, max: 0, default: 0 },
    ]) {
      const { error } = await attempt({}, { effect: { ...effect, parameters: { strength: wrong } } })
      expect(error).toMatchObject({ code: 'invalid-argument', message: expect.stringMatching(/from 0 to 1/) })
    }
  })

  test('is the words’, where they name it', async () => {
    const prompt = 'Show {prompt}, {strength} of 1, {age} years old, without {negativePrompt}.'
    const parameters = { strength: range, age: { min: 0, max: 90, default: 30 } }
    const options = { prompt, cache: new Map() }
    expect(teacherOf(options).capabilities.parameters).toEqual(['strength', 'age'])
    const aging = { ...effect, parameters }
    const { pairs } = await run(options, { effect: aging, parameters: { strength: 0.25 } })
    await run(options, { effect: aging, parameters: { strength: 0.5 } })
    expect(server.requests.map(({ body }) => body.contents[0].parts[0].text)).toEqual([
      'Show a blue disc, 0.25 of 1, 30 years old, without red.',
      'Show a blue disc, 0.5 of 1, 30 years old, without red.',
    ])
    expect(pairs[0]!.provenance.extra).toMatchObject({ strengthBy: 'prompt' })
    expect(difference(pairs[0]!.target.data, edit(pairs[0]!.input, 1).data)).toBeLessThan(8)
    const { error } = await attempt(options)
    expect(error).toMatchObject({
      message: expect.stringMatching(/names \{strength\}, which the effect 'blue-disc' lacks/),
    })
  })

  test('a function may find the words', async () => {
    const words = (strength: number) => (strength < 0.5 ? 'slightly' : 'strongly')
    const prompt = {
      version: '1',
      parameters: ['strength'],
      render: ({ prompt }: { prompt: string }, { strength = 1 }) => `${prompt}, ${words(strength)}`,
    }
    await run({ prompt }, { effect: fading, parameters: { strength: 0.2 } })
    expect(server.requests[0]!.body.contents[0].parts[0].text).toBe('a blue disc, slightly')
    expect(teacherOf({ prompt }).version).not.toBe(teacherOf({ prompt: { ...prompt, version: '2' } }).version)
  })
})

test('a mask keeps what lies outside of it, exactly', async () => {
  server.reply = (request, response) => {
    const noisy = edit(request.image!, 1)
    const data = noisy.data.map((value, i) => Math.min(255, value + (i % 4)))
    images({ data: encodePng({ ...noisy, data }) })(request, response)
  }
  const alpha = Uint8Array.from({ length: size * size }, (_, i) => (i % size < 8 ? 0 : i % size < 9 ? 128 : 255))
  const { pairs } = await run({ mask: { version: '1', of: () => alpha } })
  const { input, target } = pairs[0]!
  alpha.forEach((value, i) => {
    const [before, after] = [input, target].map(({ data }) => [...data.subarray(3 * i, 3 * i + 3)])
    if (value === 0) expect(after).toEqual(before)
  })
  expect(difference(input.data, target.data)).toBeGreaterThan(2)
  const { error } = await attempt({ mask: { version: '1', of: () => new Uint8Array(3) } })
  expect(error).toMatchObject({ code: 'shape-mismatch', message: expect.stringMatching(/3 values.*256/) })
})

test('a source that fails, or gives another size, is told', async () => {
  const broken = { id: 'broken', count: 2, load: () => Promise.reject(new Error('no such album')) }
  expect((await attempt({ images: broken })).error).toMatchObject({
    code: 'not-found',
    message: expect.stringMatching(/'broken' failed for image 0: no such album/),
  })
  const small = { id: 'small', count: 2, load: async () => [photograph(0, 8)] }
  expect((await attempt({ images: small })).error).toMatchObject({
    code: 'shape-mismatch',
    message: expect.stringMatching(/8 x 8; 16 x 16/),
  })
  const check = vi.fn(async () => {})
  const checked = { id: 'checked', count: 2, check, load: async () => [photograph(0, size)] }
  const teacher = teacherOf({ images: checked })
  for (let i = 0; i < 2; i++) for await (const _ of teacher.pairs({ effect, size, seeds: [i] }));
  expect(check.mock.calls).toEqual([[size]])
})
