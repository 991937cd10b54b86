import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { edited, failure, hostedServer, json, type Reply, slow } from '../../../test/hosted-server.js'
import { effect, hostedTeacher } from '../../../test/hosted-teacher.js'
import type { HostedEvent } from '../../imagen-hosted.js'

const size = 16
const server = hostedServer()
const { teacherOf, run, attempt } = hostedTeacher(server, size)
const seeds = (count: number) => Array.from({ length: count }, (_, seed) => seed)

/** An edit after a while. */
const later =
  (delayMs: number): Reply =>
  async (request, response) => {
    await sleep(delayMs)
    edited(request, response)
  }
const refused = json({ promptFeedback: { blockReason: 'SAFETY' } })

test('as many requests as allowed are under way at a time, and the pairs keep their order', async () => {
  let open = 0
  let most = 0
  server.reply = async (request, response) => {
    most = Math.max(most, ++open)
    await sleep(20 + 10 * (server.requests.length % 3))
    open--
    edited(request, response)
  }
  const { pairs } = await run({ concurrency: 3 }, { seeds: seeds(12) })
  expect(pairs.map(({ provenance }) => provenance.seed)).toEqual(seeds(12))
  expect(most).toBe(3)
})

test('requests are spread over the minute', async () => {
  const times: number[] = []
  const onEvent = ({ type }: HostedEvent) => type === 'request' && times.push(performance.now())
  await run({ requestsPerMinute: 1200, onEvent }, { seeds: seeds(5) })
  expect(times).toHaveLength(5)
  for (let i = 1; i < times.length; i++) expect(times[i]! - times[i - 1]!).toBeGreaterThan(45)
})

describe('quota', () => {
  // Every answer has an image, 300 tokens in and 1290 out.
  test.each([
    ['requests', { requests: 3 }, 3],
    ['images', { images: 3 }, 3],
    ['tokens', { tokens: 5000 }, 3],
    ['cost', { cost: 0.3 }, 3],
  ] as const)(
    '%s: the run stops before the request that exceeds it; a larger one goes on',
    async (quota, limits, allowed) => {
      const cache = new Map()
      const price = { image: 0.1 }
      const short = await attempt({ cache, price, quota: limits, concurrency: 2 }, { seeds: seeds(8) })
      expect(short.error).toMatchObject({ code: 'service-failed', details: { quota, limit: Object.values(limits)[0] } })
      expect((short.error as Error).message).toContain(`quota.${quota}`)
      expect(short.pairs).toHaveLength(allowed)
      expect(server.requests).toHaveLength(allowed)
      expect(short.usage.cost).toBeCloseTo(0.1 * allowed)
      const whole = await run({ cache, price, quota: { [quota]: 1e6 }, concurrency: 2 }, { seeds: seeds(8) })
      expect(whole.pairs.slice(0, allowed)).toEqual(short.pairs)
      expect(server.requests).toHaveLength(8)
      expect(whole.usage).toMatchObject({ requests: 8 - allowed, cached: allowed })
    },
  )

  test('what costs nothing leaves room: filtered answers', async () => {
    let replies = 0
    server.reply = (request, response) => (++replies % 2 === 1 ? refused : edited)(request, response)
    const { pairs, skipped, usage } = await run({ quota: { images: 3 }, concurrency: 4 }, { seeds: seeds(6) })
    expect(pairs).toHaveLength(3)
    expect(skipped).toHaveLength(3)
    expect(usage).toMatchObject({ requests: 6, images: 3 })
  })

  test('tokens have prices, input and output', async () => {
    const { usage } = await run({ price: { inputTokens: 0.3, outputTokens: 30 } }, { seeds: seeds(2) })
    expect(usage).toMatchObject({ inputTokens: 600, outputTokens: 2580 })
    expect(usage.cost).toBeCloseTo((600 * 0.3 + 2580 * 30) / 1e6, 12)
  })
})

test('after too many failures in a row the run stops; they can be asked for again', async () => {
  server.reply = failure(500, 'Internal error.')
  const cache = new Map()
  const options = { cache, concurrency: 1, maxFailuresInRow: 3, retries: { attempts: 2, minDelayMs: 1 } }
  const { error, skipped } = await attempt(options, { seeds: seeds(20) })
  expect(error).toMatchObject({
    code: 'service-failed',
    message: expect.stringMatching(/3 sources in a row.*Internal error/),
  })
  expect(skipped.map(({ reason }) => reason)).toEqual(['unavailable', 'unavailable'])
  expect(server.requests.length).toBeLessThanOrEqual(8)
  server.reply = edited
  const { pairs } = await run({ ...options, retryFailed: ['unavailable'] }, { seeds: seeds(20) })
  expect(pairs).toHaveLength(20)
})

test('refusals by a filter are no failures in a row', async () => {
  server.reply = refused
  const { skipped } = await run({ maxFailuresInRow: 2 }, { seeds: seeds(5) })
  expect(skipped).toHaveLength(5)
})

describe('a run that ends early', () => {
  test('at its signal it ends at once, whatever is under way or waited for', async () => {
    const delays: Reply[] = [slow, failure(503, 'Later.', { 'retry-after': '60' })]
    for (const reply of delays) {
      server.reply = reply
      const controller = new AbortController()
      const onEvent = () => setTimeout(() => controller.abort(new Error('enough')), 30)
      const options = { onEvent, retries: { attempts: 5, minDelayMs: 60_000 }, timeoutMs: 100_000 }
      const cache = new Map()
      const { error } = await attempt({ ...options, cache }, { seeds: seeds(20), signal: controller.signal })
      expect(error).toMatchObject({ code: 'aborted', cause: { message: 'enough' } })
      expect(cache.size).toBe(0)
    }
  }, 30_000)

  test('dispose ends what is under way', async () => {
    server.reply = slow
    const teacher = teacherOf({ onEvent: () => setTimeout(() => teacher.dispose?.(), 10) })
    const pairs = teacher.pairs({ effect, size, seeds: [0] })
    await expect(pairs[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining('disposed'),
    })
    await expect(
      teacher
        .pairs({ effect, size, seeds: [0] })
        [Symbol.asyncIterator]()
        .next(),
    ).rejects.toMatchObject({
      message: expect.stringContaining('disposed'),
    })
  }, 30_000)

  test('when the consumer has enough, what is on the wire is still kept, and nothing more is sent', async () => {
    const cache = new Map()
    server.reply = later(50)
    const teacher = teacherOf({ cache, concurrency: 2 })
    for await (const _ of teacher.pairs({ effect, size, seeds: seeds(20) })) break
    const sent = server.requests.length
    expect(sent).toBeLessThanOrEqual(4)
    expect(cache.size).toBe(sent)
    await sleep(120)
    expect(server.requests).toHaveLength(sent)
  })

  test('when the service refuses everybody, answers on the wire are still kept', async () => {
    const cache = new Map()
    server.reply = (request, response) =>
      (server.requests.length === 1 ? failure(403, 'Billing was disabled.') : later(80))(request, response)
    const { error, pairs } = await attempt({ cache, concurrency: 3 }, { seeds: seeds(20) })
    expect(error).toMatchObject({ code: 'service-failed', details: { status: 403 } })
    expect(pairs).toEqual([])
    expect(cache.size).toBe(server.requests.length - 1)
    expect(cache.size).toBeGreaterThan(0)
  })
})

test.each([
  ['model', { model: '' }, /model is missing/],
  ['cache', { cache: undefined as never }, /cache is missing.*folder.*false/],
  ['cache', { cache: {} as never }, /cache must be a folder/],
  ['api', { api: 'rest' as never }, /api is "rest".*'gemini' or 'vertex-predict'/],
  ['resolution', { resolution: 4 }, /resolution is 4.*8 to 4096/],
  ['concurrency', { concurrency: 0 }, /concurrency is 0/],
  ['requestsPerMinute', { requestsPerMinute: 0 }, /requestsPerMinute is 0/],
  ['timeoutMs', { timeoutMs: 0 }, /timeoutMs is 0/],
  ['retries', { retries: { attempts: 0 } }, /retries\.attempts is 0/],
  ['retries', { retries: { minDelayMs: 5000, maxDelayMs: 10 } }, /retries\.maxDelayMs is 10.*5000/],
  ['retryFailed', { retryFailed: ['odd'] as never }, /retryFailed has 'odd'.*'filtered'/],
  ['config', { config: { abortSignal: 1 } }, /config may not have 'abortSignal'/],
  ['config', { config: { seed: Number.NaN } }, /NaN/],
  ['numberOfImages', { api: 'vertex-predict' as const, config: { numberOfImages: 20 } }, /numberOfImages is 20/],
  ['price', { price: { image: -1 } }, /price\.image is -1/],
  ['quota', { quota: { cost: 1 } }, /quota\.cost needs a price/],
  ['baseUrl', { baseUrl: 'ftp://x' }, /baseUrl must be an http or https address/],
  ['prompt', { prompt: 'make it blue' }, /lacks \{prompt\}/],
  ['alignment', { alignment: { minLikeness: 2 } }, /minLikeness is 2/],
  ['mask', { mask: { mode: 'foreground' as const } }, /generateContent finds no masks/],
  ['id', { id: 'a b' }, /id 'a b'/],
])('a wrong %s is refused', (_, options, message) => {
  expect(() => teacherOf(options)).toThrow(
    expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) }),
  )
})
