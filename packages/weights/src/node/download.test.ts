import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { failure, fixture } from '../../test/fixtures.js'
import { startServer } from '../../test/server.js'
import { httpSource, openCheckpoint as openSource } from '../index.js'
import { openCheckpoint, urlSource } from '../node.js'

const content = fixture('tiny.ada4.pkl')
const sha256 = createHash('sha256').update(content).digest('hex')
let cache: string
let server: Awaited<ReturnType<typeof startServer>>

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'weights-'))
  server = await startServer(content)
})
afterEach(async () => {
  await server.stop()
  await rm(cache, { recursive: true })
})

const readAll = async (source: Awaited<ReturnType<typeof urlSource>>): Promise<Uint8Array> => {
  const bytes = await source.read(0, source.size)
  await source.close?.()
  return bytes
}
const statuses = (): number[] => server.state.requests.map(({ status }) => status)

describe('a download', () => {
  it('is cached, asked for again by its ETag, and replaced when it has changed', async () => {
    expect(await readAll(await urlSource(server.url, { cache }))).toEqual(Uint8Array.from(content))
    await readAll(await urlSource(server.url, { cache }))
    expect(statuses()).toEqual([200, 304])
    server.state.content = fixture('tiny.ada3.pkl')
    expect(await readAll(await urlSource(server.url, { cache }))).toEqual(Uint8Array.from(fixture('tiny.ada3.pkl')))
    expect(statuses()).toEqual([200, 304, 200])
    expect((await readdir(cache)).length).toBe(2)
  })

  it('is not asked for again when its SHA-256 is known', async () => {
    await readAll(await urlSource(server.url, { cache, sha256 }))
    await readAll(await urlSource(server.url, { cache, sha256: sha256.toUpperCase() }))
    expect(statuses()).toEqual([200])
  })

  it('serves from the cache while the server cannot be reached', async () => {
    await readAll(await urlSource(server.url, { cache }))
    await server.stop()
    expect((await readAll(await urlSource(server.url, { cache }))).length).toBe(content.length)
    expect(await failure(urlSource(`${server.url}?other`, { cache }))).toMatchObject({ code: 'service-failed' })
  })

  it('that breaks off is named truncated, and continued by the next call', async () => {
    server.state.breakAfter = 1000
    const error = await failure(urlSource(server.url, { cache }))
    expect(error).toMatchObject({ code: 'corrupt-file', details: { truncated: true, expected: content.length } })
    expect(error.message).toContain(`is truncated: 1000 of ${content.length} bytes came`)
    server.state.breakAfter = Number.POSITIVE_INFINITY
    expect(await readAll(await urlSource(server.url, { cache, sha256 }))).toEqual(Uint8Array.from(content))
    expect(server.state.requests.at(-1)).toEqual({ range: 'bytes=1000-', status: 206 })
  })

  it('that breaks off and then changes is begun anew', async () => {
    server.state.breakAfter = 1000
    await failure(urlSource(server.url, { cache }))
    server.state.breakAfter = Number.POSITIVE_INFINITY
    server.state.content = fixture('tiny.tf4.pkl')
    expect(await readAll(await urlSource(server.url, { cache }))).toEqual(Uint8Array.from(fixture('tiny.tf4.pkl')))
  })

  it('with another SHA-256 is refused, and does not stay', async () => {
    const error = await failure(urlSource(server.url, { cache, sha256: 'f'.repeat(64) }))
    expect(error).toMatchObject({ code: 'checksum-mismatch', details: { sha256 } })
    expect(await readdir(cache)).toEqual([])
    await readAll(await urlSource(server.url, { cache }))
    expect(await failure(urlSource(server.url, { cache, sha256: 'f'.repeat(64) }))).toMatchObject({
      code: 'checksum-mismatch',
    })
  })

  it('by several callers at once gives each the whole file', async () => {
    const all = await Promise.all(Array.from({ length: 4 }, () => urlSource(server.url, { cache })))
    for (const source of all) expect(await readAll(source)).toEqual(Uint8Array.from(content))
    expect((await readdir(cache)).filter(name => /part|lock/.test(name))).toEqual([])
  })

  it('survives a lock that a dead process left', async () => {
    await readAll(await urlSource(server.url, { cache }))
    const [file] = (await readdir(cache)).filter(name => !name.includes('.'))
    await writeFile(join(cache, `${file}.lock`), '999999999')
    server.state.content = fixture('tiny.tf4.pkl')
    expect(await readAll(await urlSource(server.url, { cache }))).toEqual(Uint8Array.from(fixture('tiny.tf4.pkl')))
    expect((await readdir(cache)).filter(name => name.endsWith('.lock'))).toEqual([])
  })

  it('names a missing file, a failing server and a caller who gave up', async () => {
    server.state.status = 404
    expect(await failure(urlSource(server.url, { cache }))).toMatchObject({ code: 'not-found' })
    server.state.status = 500
    expect(await failure(urlSource(server.url, { cache }))).toMatchObject({ code: 'service-failed' })
    const signal = AbortSignal.abort()
    expect(await failure(urlSource(server.url, { cache, signal }))).toMatchObject({ code: 'aborted' })
  })

  it('reports its progress', async () => {
    const seen: [number, number | undefined][] = []
    await readAll(await urlSource(server.url, { cache, onProgress: (done, total) => seen.push([done, total]) }))
    expect(seen.at(-1)).toEqual([content.length, content.length])
  })

  it('opens as a checkpoint, and says so when a web page came instead', async () => {
    const checkpoint = await openCheckpoint(new URL(server.url), { cache, sha256 })
    expect(checkpoint.layout).toBe('stylegan-pickle')
    await checkpoint.close()
    server.state.content = new TextEncoder().encode('<!DOCTYPE html><html>Quota exceeded</html>')
    expect((await failure(openCheckpoint(server.url, { cache }))).message).toContain('it is a web page')
  })
})

describe('ranges over HTTP', () => {
  it('fetches only what is read', async () => {
    server.state.content = fixture('uncond.ros.pt')
    const checkpoint = await openSource(await httpSource(server.url))
    const bias = checkpoint.tensors.get('g_ema.conv1.activate.bias')!
    const expected = (await openSource(fixture('uncond.ros.pt'))).tensors.get('g_ema.conv1.activate.bias')!
    expect(await bias.load()).toEqual(await expected.load())
    const bytes = server.state.requests.reduce((sum, { range }) => {
      const [, from, to] = /=(\d+)-(\d+)$/.exec(range!)!
      return sum + Number(to) - Number(from) + 1
    }, 0)
    expect(bytes).toBeLessThan(server.state.content.length / 3)
  })

  it('refuses a server without ranges and a file that is not there', async () => {
    server.state.ranges = false
    expect(await failure(httpSource(server.url))).toMatchObject({ code: 'unsupported' })
    server.state.status = 404
    expect(await failure(httpSource(server.url))).toMatchObject({ code: 'not-found' })
  })

  it('names a file that changes, an answer that breaks off, and a range outside of the file', async () => {
    const source = await httpSource(server.url)
    server.state.breakAfter = 10
    expect(await failure(source.read(0, 100))).toMatchObject({ details: { truncated: true } })
    server.state.content = fixture('tiny.tf4.pkl')
    server.state.breakAfter = Number.POSITIVE_INFINITY
    expect((await failure(source.read(0, 100))).message).toContain('changed while it was being read')
    expect(await failure(source.read(0, source.size + 1))).toMatchObject({ details: { truncated: true } })
  })
})
