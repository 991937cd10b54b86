import { seededRandom } from '@fx/core'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../../test/folder.js'
import { cut, edited, failure, hostedServer, images, json, photograph, slow } from '../../../test/hosted-server.js'
import { effect, hostedTeacher } from '../../../test/hosted-teacher.js'
import { noise } from '../../../test/noise.js'
import { encodePng } from '../../index.js'
import { openShards, recordShards, type WriteProgress } from '../../shards.js'

const size = 16
const count = 500
const server = hostedServer()
const { teacherOf } = hostedTeacher(server, size)
const at = temporaryFolder()

const faults = [
  json({ promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } }),
  json({ candidates: [{ content: { parts: [] }, finishReason: 'IMAGE_SAFETY' }] }),
  json({ candidates: [{ content: { parts: [{ text: 'I would rather not.' }] }, finishReason: 'STOP' }] }),
  failure(400, 'Unsupported image.'),
  failure(429, 'Slow down.', { 'retry-after': '0.01' }),
  failure(500, 'Internal error.'),
  failure(503, 'Overloaded.'),
  cut,
  slow,
  images({ data: 'garbage', mimeType: 'text/html' }),
  images({ data: encodePng(noise(1, 24)) }),
]
const key = (data: Uint8Array): string => Buffer.from(data).toString('base64')

test('500 edits with a fifth of all answers faulty: each source is paired or recorded, and the next run asks nothing', async () => {
  const source = {
    id: 'five hundred',
    count,
    // No two are alike, nor one like another displaced.
    load: async (indices: readonly number[]) =>
      indices.map(index => {
        const { data, ...rest } = photograph(index, size)
        const random = seededRandom('grain', index)
        return { ...rest, data: data.map(value => Math.min(255, value + random.integer(24))) }
      }),
  }
  const seeds = Array.from({ length: count }, (_, seed) => seed)
  const indexOf = new Map((await source.load(seeds)).map(({ data }, index) => [key(data), index]))
  const answered = new Map<number, number>()
  server.reply = (request, response) => {
    const index = indexOf.get(key(request.image!.data))!
    const random = seededRandom('fault', index, request.attempt)
    const reply = random.uniform() < 0.2 ? faults[random.integer(faults.length)]! : edited
    if (reply === edited) answered.set(index, (answered.get(index) ?? 0) + 1)
    return reply(request, response)
  }
  const teacher = (cache = at('answers')) =>
    teacherOf({ images: source, cache, concurrency: 8, timeoutMs: 2000, retries: { attempts: 2, minDelayMs: 1 } })
  const record = (folder: string, signal?: AbortSignal, onProgress?: (progress: WriteProgress) => void) =>
    recordShards(
      at(folder),
      teacher(),
      { effect, size, seeds, ...(signal && { signal }) },
      { pairsPerShard: 64, ...(onProgress && { onProgress }) },
    )

  // The run is stopped once on its way, as runs of this length are.
  const controller = new AbortController()
  const stop = ({ pairs }: WriteProgress) => pairs === 150 && controller.abort()
  await expect(record('pairs', controller.signal, stop)).rejects.toMatchObject({ code: 'aborted' })
  const { pairCount, skipped = [] } = await record('pairs')

  const paired: number[] = []
  const ids = new Set<string>()
  for await (const { id, provenance } of (await openShards(at('pairs'))).pairs()) {
    paired.push(provenance.seed)
    ids.add(id)
  }
  expect(paired).toHaveLength(pairCount)
  expect(ids.size).toBe(pairCount)
  expect([...paired, ...skipped.map(({ seed }) => seed)].sort((a, b) => a - b)).toEqual(seeds)
  const reasons = new Set(skipped.map(({ reason }) => reason))
  expect([...reasons].sort()).toEqual(['filtered', 'misaligned', 'no-image', 'rejected', 'unavailable', 'unreadable'])
  for (const { message } of skipped) expect(message).not.toBe('')
  // About one source in eight meets a fault that no retry mends.
  expect(pairCount).toBeGreaterThan(400)
  expect(pairCount).toBeLessThan(480)
  // What was answered is not asked again, except where the stop cut an answer off.
  expect([...answered.values()].filter(times => times > 1).length).toBeLessThanOrEqual(8)

  const requests = server.requests.length
  await record('pairs')
  const again = await record('pairs again')
  expect(again.skipped).toEqual(skipped)
  expect(again.shards.map(({ sha256 }) => sha256)).toEqual(
    (await openShards(at('pairs'))).manifest.shards.map(s => s.sha256),
  )
  expect(server.requests).toHaveLength(requests)
}, 300_000)
