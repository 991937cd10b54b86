import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { describeAdapter } from '../../../test/describe-adapter.js'
import {
  cut,
  edit,
  edited,
  failure,
  type HostedRequest,
  hostedServer,
  images,
  json,
  photograph,
  type Reply,
  slow,
} from '../../../test/hosted-server.js'
import { difference, effect, hostedTeacher } from '../../../test/hosted-teacher.js'
import { encodePng } from '../../index.js'

const size = 32
const server = hostedServer()

const wires = {
  gemini: { model: 'gemini-test-image', api: 'gemini' },
  'vertex-predict': { model: 'imagen-test-capability', api: 'vertex-predict' },
} as const

const { teacherOf, run } = hostedTeacher(server, size)

/** The first attempts get these replies, the rest an edit. */
const first =
  (...replies: Reply[]): Reply =>
  (request, response) =>
    (replies[request.attempt - 1] ?? edited)(request, response)

describe('what is sent', () => {
  test('generateContent: the words, the photograph, the key in its header', async () => {
    await run({ config: { seed: 7, imageConfig: { imageSize: '1K' } } })
    const [{ path, headers, body, image }] = server.requests as [HostedRequest]
    // The SDK's third major leaves the beta.
    expect(path).toMatch(/^\/v1(beta)?\/models\/gemini-test-image:generateContent$/)
    expect(headers['x-goog-api-key']).toBe('test-key')
    const [words, photo] = body.contents[0].parts
    expect(body.contents).toEqual([{ role: 'user', parts: [words, photo] }])
    expect(words.text).toMatch(/shows a blue disc\. Change nothing else.*Avoid: red\./)
    expect(image).toEqual(photograph(0, size))
    expect(body.generationConfig).toEqual({
      responseModalities: ['IMAGE'],
      seed: 7,
      imageConfig: { aspectRatio: '1:1', imageSize: '1K' },
    })
  })

  test('generateContent on Vertex AI', async () => {
    await run({ vertex: true })
    expect(server.requests[0]!.path).toBe('/v1beta1/publishers/google/models/gemini-test-image:generateContent')
  })

  test('editImage: without a mask, with a drawn one, with one that the service finds', async () => {
    const wire = wires['vertex-predict']
    await run({ ...wire, config: { guidanceScale: 30, baseSteps: 40 } })
    const half = Uint8Array.from({ length: size * size }, (_, i) => (i < (size * size) / 2 ? 255 : 0))
    await run({ ...wire, mask: { version: '1', of: async () => half } })
    await run({
      ...wire,
      mask: { mode: 'semantic', classes: [125], dilation: 0.02 },
      config: { editMode: 'EDIT_MODE_INPAINT_REMOVAL' },
    })
    const [plain, drawn, found] = server.requests.map(({ path, body }) => {
      expect(path).toBe('/v1beta1/publishers/google/models/imagen-test-capability:predict')
      const [{ prompt, referenceImages }] = body.instances
      expect(body.instances).toHaveLength(1)
      expect(prompt).toBe('a blue disc')
      return { referenceImages, parameters: body.parameters }
    })
    const photo = {
      referenceType: 'REFERENCE_TYPE_RAW',
      referenceId: 1,
      referenceImage: {
        mimeType: 'image/png',
        bytesBase64Encoded: Buffer.from(encodePng(photograph(0, size))).toString('base64'),
      },
    }
    expect(plain!.referenceImages).toEqual([photo])
    expect(plain!.parameters).toMatchObject({
      editMode: 'EDIT_MODE_DEFAULT',
      negativePrompt: 'red',
      includeRaiReason: true,
      outputOptions: { mimeType: 'image/png' },
      guidanceScale: 30,
      editConfig: { baseSteps: 40 },
    })
    const mask = {
      width: size,
      height: size,
      data: Uint8Array.from({ length: 3 * half.length }, (_, i) => half[Math.floor(i / 3)]!),
    }
    expect(drawn!.referenceImages).toEqual([
      photo,
      {
        referenceType: 'REFERENCE_TYPE_MASK',
        referenceId: 2,
        referenceImage: { mimeType: 'image/png', bytesBase64Encoded: Buffer.from(encodePng(mask)).toString('base64') },
        maskImageConfig: { maskMode: 'MASK_MODE_USER_PROVIDED', dilation: 0 },
      },
    ])
    expect(drawn!.parameters.editMode).toBe('EDIT_MODE_INPAINT_INSERTION')
    expect(found!.referenceImages[1]).toEqual({
      referenceType: 'REFERENCE_TYPE_MASK',
      referenceId: 2,
      maskImageConfig: { maskMode: 'MASK_MODE_SEMANTIC', maskClasses: [125], dilation: 0.02 },
    })
    expect(found!.parameters.editMode).toBe('EDIT_MODE_INPAINT_REMOVAL')
  })
})

describe.each(Object.values(wires))('over $api', wire => {
  test('an edit of another size becomes an aligned pair', async () => {
    const { pairs, skipped, usage } = await run(wire, { seeds: [3] })
    expect(skipped).toEqual([])
    expect(pairs).toHaveLength(1)
    const [{ id, input, target, provenance }] = pairs as [(typeof pairs)[0]]
    expect(id).toBe('imagen-hosted-blue-disc-000003')
    expect(input).toEqual(photograph(3, size))
    expect(difference(target.data, edit(input, 1).data)).toBeLessThan(2)
    expect(provenance).toMatchObject({ seed: 3, licence: { id: 'CC0-1.0' }, teacher: { id: 'imagen-hosted' } })
    expect(provenance.prompt).toContain('a blue disc')
    expect(provenance.extra).toMatchObject({
      api: wire.api,
      model: wire.api === 'gemini' ? 'test-image-model' : wire.model,
      answer: expect.stringMatching(/^[0-9a-f]{64}$/),
      shiftX: 0,
      zoomY: 1,
      changed: expect.closeTo(0.15, 1),
      moved: 0,
    })
    expect(usage).toMatchObject({ requests: 1, images: 1, cached: 0 })
  })

  test('of several images the first that fits is taken', async () => {
    server.reply = (request, response) =>
      images(
        { data: encodePng(photograph(60, size)) },
        { data: 'not an image' },
        { data: encodePng(edit(request.image!)) },
        { data: encodePng(edit(request.image!, 1)) },
      )(request, response)
    const { pairs, usage } = await run(wire)
    expect(pairs[0]!.provenance.extra).toMatchObject({ candidate: 2, moved: 0 })
    expect(usage.images).toBe(4)
  })

  test.each(['png', 'jpeg', 'webp'] as const)('a %s is known by its bytes, whatever it is called', async format => {
    server.reply = async (request, response) => {
      const { width, height, data } = edit(request.image!, 2)
      const raw = sharp(data, { raw: { width, height, channels: 3 } })
      const file = await raw.toFormat(format, format === 'png' ? {} : { quality: 95 }).toBuffer()
      images({ data: file, mimeType: format === 'png' ? 'image/jpeg' : 'image/png' })(request, response)
    }
    const { pairs } = await run(wire)
    expect(difference(pairs[0]!.target.data, edit(photograph(0, size), 1).data)).toBeLessThan(6)
  })

  test.each([
    ['garbage that is called a PNG', { data: 'no image at all' }],
    ['a text', { data: '<html>', mimeType: 'text/html' }],
    ['half a PNG', { data: encodePng(edit(photograph(0, size))).subarray(0, 900) }],
    ['half a JPEG', { data: Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 1, 2, 3]), mimeType: 'image/jpeg' }],
    ['a PNG as large as memory', { data: huge() }],
  ])('%s is recorded as unreadable', async (_, image) => {
    server.reply = images(image)
    const { pairs, skipped } = await run(wire)
    expect(pairs).toEqual([])
    expect(skipped).toMatchObject([{ seed: 0, reason: 'unreadable' }])
    expect(server.requests).toHaveLength(1)
  })

  test.each([
    ['another picture', encodePng(photograph(60, size)), 'misaligned', /minLikeness|maxChanged/],
    ['the same picture', encodePng(photograph(0, size)), 'unchanged', /minChanged/],
  ])('%s makes no pair, unless everything is accepted', async (_, data, reason, message) => {
    server.reply = images({ data })
    const { pairs, skipped } = await run(wire)
    expect(pairs).toEqual([])
    expect(skipped).toMatchObject([{ seed: 0, reason, message: expect.stringMatching(message) }])
    expect((await run({ ...wire, alignment: false })).pairs).toHaveLength(1)
  })

  test('an answer without an image', async () => {
    server.reply = images()
    expect((await run(wire)).skipped).toMatchObject([{ reason: 'no-image' }])
    server.reply = json({})
    expect((await run(wire)).skipped).toMatchObject([{ reason: 'no-image' }])
  })

  test('400 is recorded as rejected, at once; the next source goes on', async () => {
    server.reply = (request, response) =>
      (request.attempt === 1 && server.requests.length === 1 ? failure(400, 'Unsupported image.') : edited)(
        request,
        response,
      )
    const { pairs, skipped } = await run(wire, { seeds: [0, 1].values() as never })
    expect(skipped).toMatchObject([{ seed: 0, reason: 'rejected', message: '400 STATUS_400: Unsupported image.' }])
    expect(pairs.map(({ provenance }) => provenance.seed)).toEqual([1])
    expect(server.requests).toHaveLength(2)
  })

  test.each([
    [401, 'Request had invalid authentication credentials.', /401.*check the key/],
    [403, 'Permission denied.', /403.*may use/],
    [404, 'models/x is not found.', /404.*check model/],
    [400, 'API key not valid. Please pass a valid API key.', /400.*API key not valid/],
  ])('%i (%s) stops the run; nothing is recorded', async (status, message, expected) => {
    server.reply = failure(status, message)
    const cache = new Map()
    await expect(run({ ...wire, cache }, { seeds: [0, 1, 2] })).rejects.toEqual(
      expect.objectContaining({
        code: 'service-failed',
        message: expect.stringMatching(expected),
        details: { status },
      }),
    )
    expect(cache.size).toBe(0)
    server.reply = edited
    expect((await run({ ...wire, cache }, { seeds: [0, 1, 2] })).pairs).toHaveLength(3)
  })

  test.each([
    ['500', failure(500, 'Internal error.')],
    ['503', failure(503, 'Overloaded.')],
    ['408', failure(408, 'Too slow.')],
    ['429', failure(429, 'Resource exhausted.')],
    ['a cut connection', cut],
    [
      'an answer that is no JSON',
      (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    ],
    ['an error that is no JSON', (_, response) => response.writeHead(502).end('bad gateway')],
  ] as [string, Reply][])('after %s it is asked again, and given up after the last attempt', async (_, reply) => {
    server.reply = first(reply, reply)
    const { pairs, events, usage } = await run(wire)
    expect(pairs).toHaveLength(1)
    expect(events.map(({ type }) => type)).toEqual(['request', 'retry', 'request', 'retry', 'request', 'answer'])
    expect(usage).toMatchObject({ requests: 3, images: 1 })

    server.reply = reply
    const { pairs: none, skipped } = await run(wire, { seeds: [1] })
    expect(none).toEqual([])
    expect(skipped).toMatchObject([{ seed: 1, reason: 'unavailable' }])
    expect(server.requests).toHaveLength(6)
  })

  test('a slow body is given up in time and asked again', async () => {
    server.reply = first(slow)
    const { pairs, events } = await run({ ...wire, timeoutMs: 300 })
    expect(pairs).toHaveLength(1)
    expect(events).toContainEqual(expect.objectContaining({ type: 'retry', why: 'no answer within 0.3 s' }))
    expect(server.requests[0]!.headers['x-server-timeout']).toBe('1')
  })

  test.each([
    ['seconds', () => failure(429, 'Slow down.', { 'retry-after': '0.2' })],
    ['a date', () => failure(503, 'Later.', { 'retry-after': new Date(Date.now() + 1500).toUTCString() })],
    [
      'RetryInfo',
      () =>
        failure(429, 'Slow down.', {}, [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '0.2s' }]),
    ],
  ])('Retry-After as %s holds everyone back', async (_, reply) => {
    let told = 0
    server.reply = (request, response) => {
      if (told > 0) return edited(request, response)
      told = performance.now()
      return reply()(request, response)
    }
    const { pairs } = await run({ ...wire, concurrency: 1 }, { seeds: [0, 1, 2] })
    expect(pairs).toHaveLength(3)
    const [, ...later] = server.requests
    expect(later).toHaveLength(3)
    // A date knows only whole seconds.
    for (const { at } of later) expect(at - told).toBeGreaterThan(195)
  })

  test('a wait that is too long stops the run instead', async () => {
    server.reply = failure(429, 'Quota of the day.', { 'retry-after': '86400' })
    const cache = new Map()
    await expect(run({ ...wire, cache })).rejects.toEqual(
      expect.objectContaining({ code: 'service-failed', message: expect.stringMatching(/wait 86400 s.*maxDelayMs/) }),
    )
    expect(cache.size).toBe(0)
  })
})

const finished = (finishReason: string, parts: object[] = []): Reply =>
  json({ candidates: [{ content: { role: 'model', parts }, finishReason }] })

test.each([
  ['SAFETY', finished('SAFETY'), /^SAFETY/],
  ['IMAGE_SAFETY, though with an image', finished('IMAGE_SAFETY', [pixel()]), /^IMAGE_SAFETY/],
  ['PROHIBITED_CONTENT', finished('PROHIBITED_CONTENT'), /^PROHIBITED_CONTENT/],
  ['IMAGE_PROHIBITED_CONTENT', finished('IMAGE_PROHIBITED_CONTENT'), /^IMAGE_PROHIBITED_CONTENT/],
  ['RECITATION', finished('IMAGE_RECITATION'), /^IMAGE_RECITATION/],
  ['BLOCKLIST', finished('BLOCKLIST'), /^BLOCKLIST/],
  ['SPII', finished('SPII'), /^SPII/],
  [
    'a blocked prompt',
    json({ promptFeedback: { blockReason: 'PROHIBITED_CONTENT', blockReasonMessage: 'No.' } }),
    /^PROHIBITED_CONTENT: No/,
  ],
])('generateContent: filtered by %s', async (_, reply, message) => {
  server.reply = reply
  const { pairs, skipped } = await run()
  expect(pairs).toEqual([])
  expect(skipped).toEqual([{ seed: 0, reason: 'filtered', message: expect.stringMatching(message) }])
  expect(server.requests).toHaveLength(1)
})

test.each([
  ['words only', finished('STOP', [{ text: 'I cannot edit pictures.' }]), /I cannot edit pictures/],
  ['a drawing of its thoughts only', finished('STOP', [{ ...pixel(), thought: true }]), /holds no image/],
  ['NO_IMAGE', finished('NO_IMAGE'), /holds no image/],
])('generateContent: no image, but %s', async (_, reply, message) => {
  server.reply = reply
  expect((await run()).skipped).toEqual([{ seed: 0, reason: 'no-image', message: expect.stringMatching(message) }])
})

test('predict: filtered images come empty, with a reason; what else came counts', async () => {
  const wire = wires['vertex-predict']
  server.reply = images({ data: '', filtered: 'Violence, 39322892' }, { data: '', filtered: 'Violence, 39322892' })
  expect((await run(wire)).skipped).toEqual([{ seed: 0, reason: 'filtered', message: 'Violence, 39322892' }])
  server.reply = (request, response) =>
    images({ data: '', filtered: 'Violence, 39322892' }, { data: encodePng(edit(request.image!)) })(request, response)
  const { pairs, usage } = await run({ ...wire, config: { numberOfImages: 2 } }, { seeds: [1] })
  expect(pairs).toHaveLength(1)
  expect(usage.images).toBe(1)
  expect(server.requests.at(-1)!.body.parameters.sampleCount).toBe(2)
})

describeAdapter('hostedImagenTeacher', {
  adapter: () => teacherOf(),
  effect: { ...effect, parameters: { strength: { min: 0, max: 1, default: 1 } } },
  size: 16,
  seeds: [7, 0, 3, 99],
})

function pixel(): { inlineData: object } {
  const data = Buffer.from(encodePng({ width: 1, height: 1, data: Uint8Array.of(1, 2, 3) })).toString('base64')
  return { inlineData: { mimeType: 'image/png', data } }
}

/** A PNG whose header says 100,000 x 100,000. */
function huge(): Uint8Array {
  const bytes = encodePng(photograph(0, 8))
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(16, 100_000)
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(20, 100_000)
  return bytes
}
