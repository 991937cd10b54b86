import { expect, test } from 'vitest'
import { edited, failure, hostedServer, images, json, photograph } from '../../../test/hosted-server.js'
import { difference, hostedTeacher } from '../../../test/hosted-teacher.js'
import { type HostedImagesOptions, hostedImages } from '../../imagen-hosted.js'
import { encodePng } from '../../index.js'

const server = hostedServer()
const { run } = hostedTeacher(server, 16)

const sourceOf = (options: Partial<HostedImagesOptions> = {}) =>
  hostedImages({
    model: 'imagen-test-generate',
    api: 'vertex-predict',
    apiKey: 'test-key',
    baseUrl: server.url,
    cache: new Map(),
    prompts: ['a face', 'another face', 'a face'],
    retries: { attempts: 2, minDelayMs: 1 },
    ...options,
  })

/** A wide picture whose middle is a photograph. */
const wide = (index: number) => {
  const { data } = photograph(index, 32)
  const wide = new Uint8Array(48 * 32 * 3)
  for (let y = 0; y < 32; y++) wide.set(data.subarray(y * 96, (y + 1) * 96), 3 * (y * 48 + 8))
  return encodePng({ width: 48, height: 32, data: wide })
}

test('generateImages makes an image of each prompt, with the prompt as caption; nothing is made twice', async () => {
  server.reply = images({ data: wide(1) }, { data: wide(2) })
  const cache = new Map()
  const source = sourceOf({ cache, config: { numberOfImages: 2, aspectRatio: '3:4' }, negativePrompt: 'hats' })
  expect(source.count).toBe(3)
  const loaded = await source.load([2, 0, 1], 32)
  expect(loaded.map(({ caption }) => caption)).toEqual(['a face', 'a face', 'another face'])
  for (const { width, height, data } of loaded) expect({ width, height, data }).toEqual(photograph(1, 32))
  expect(server.requests).toHaveLength(3)
  const { path, body } = server.requests.find(({ body }) => body.instances[0].prompt === 'another face')!
  expect(path).toBe('/v1beta1/publishers/google/models/imagen-test-generate:predict')
  expect(body).toMatchObject({
    instances: [{ prompt: 'another face' }],
    parameters: { sampleCount: 2, aspectRatio: '3:4', negativePrompt: 'hats', includeRaiReason: true },
  })
  const [smaller] = await sourceOf({
    cache,
    config: { numberOfImages: 2, aspectRatio: '3:4' },
    negativePrompt: 'hats',
  }).load([0], 16)
  expect(smaller).toMatchObject({ width: 16, height: 16 })
  expect(server.requests).toHaveLength(3)
  expect(source.usage()).toMatchObject({ requests: 3, images: 6 })
})

test('generateContent makes images too', async () => {
  server.reply = images({ data: wide(1) })
  const [image] = await sourceOf({ api: 'gemini' }).load([0], 32)
  expect(server.requests[0]!.body.contents).toEqual([{ role: 'user', parts: [{ text: 'a face' }] }])
  expect(difference(image!.data, photograph(1, 32).data)).toBe(0)
})

test.each([
  ['filtered', images({ data: '', filtered: 'Celebrity, 29310472' }), /Celebrity/],
  ['rejected', failure(400, 'Bad prompt.'), /Bad prompt/],
  ['unavailable', failure(503, 'Overloaded.'), /Overloaded/],
  ['no-image', json({}), /no image/],
  ['unreadable', images({ data: 'garbage' }), /no PNG, JPEG or WebP/],
])(
  'an image that is not made (%s) is an error of the source, and a skipped seed of a teacher',
  async (refused, reply, message) => {
    server.reply = (request, response) => (request.body.instances ? reply : edited)(request, response)
    const source = sourceOf()
    await expect(source.load([1], 16)).rejects.toMatchObject({
      code: 'service-failed',
      message: expect.stringMatching(message),
      details: { refused, index: 1 },
    })
    const { skipped } = await run({ images: source }, { seeds: [1] })
    expect(skipped).toMatchObject([{ seed: 1, reason: refused }])
  },
)

test('pairs of generated photographs', async () => {
  server.reply = (request, response) => (request.body.instances ? images({ data: wide(1) }) : edited)(request, response)
  const { pairs } = await run({ images: sourceOf() })
  expect(pairs[0]!.provenance.extra!.images).toMatch(/^hosted [0-9a-f]{16}$/)
})

test('what cannot be made is refused', async () => {
  for (const prompts of [[], [''], 'a face' as never]) {
    expect(() => sourceOf({ prompts })).toThrow(/prompts must be one text or more/)
  }
  expect(() => sourceOf({ api: 'gemini', negativePrompt: 'hats' })).toThrow(/no negative prompt/)
  await expect(sourceOf().load([3], 16)).rejects.toMatchObject({ code: 'invalid-argument', message: /0 to 2/ })
  const source = sourceOf()
  await source.dispose()
  await expect(source.load([0], 16)).rejects.toMatchObject({ message: expect.stringContaining('disposed') })
})
