import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failure, loadAll } from '../../test/fixtures.js'
import { tinyTfjs, tinyTfjsTensors } from '../../test/tfjs.js'
import { openCheckpoint } from '../node.js'

const { json, shards } = tinyTfjs()
const fromMemory = (path: string) => shards.get(path)!

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-'))
  await mkdir(join(folder, 'net'))
  await writeFile(join(folder, 'net/model.json'), json)
  for (const [name, bytes] of shards) await writeFile(join(folder, 'net', name), bytes)
})
afterAll(() => rm(folder, { recursive: true }))

describe('a tfjs model', () => {
  it.each(['net', 'net/model.json'])(
    'is read from disk by %s, its quantised weights as what they stand for',
    async path => {
      const checkpoint = await openCheckpoint(join(folder, path))
      expect(checkpoint.layout).toBe('tfjs')
      expect({ ...checkpoint.metadata }).toEqual({ format: 'layers-model', generatedBy: 'keras v2.4.0' })
      expect(await loadAll(checkpoint)).toEqual(tinyTfjsTensors)
      await checkpoint.close()
    },
  )

  it('is read from memory, and over HTTP with its shards beside it', async () => {
    expect(await loadAll(await openCheckpoint(json, { shards: fromMemory }))).toEqual(tinyTfjsTensors)
    const server = createServer((request, response) => {
      const name = request.url!.replace(/^\/net\//, '').replace(/\?.*$/, '')
      const body = name === 'model.json' ? json : shards.get(name)
      response.statusCode = body ? 200 : 404
      response.end(body)
    })
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    const { port } = server.address() as AddressInfo
    const url = `http://127.0.0.1:${port}/net/model.json?download=true`
    const cache = join(folder, 'cache')
    const checkpoint = await openCheckpoint(url, { cache })
    expect(await loadAll(checkpoint)).toEqual(tinyTfjsTensors)
    await checkpoint.close()
    server.closeAllConnections()
    await new Promise(done => server.close(done))
  })

  const edited = (edit: (model: ReturnType<typeof JSON.parse>) => void): Uint8Array => {
    const model = JSON.parse(new TextDecoder().decode(json))
    edit(model)
    return new TextEncoder().encode(JSON.stringify(model))
  }
  const first = (model: ReturnType<typeof JSON.parse>) => model.weightsManifest[0]

  it.each([
    [
      'a shard elsewhere',
      edited(model => first(model).paths.splice(0, 1, '../../secret')),
      'corrupt-file',
      '../../secret',
    ],
    [
      'an absolute shard',
      edited(model => first(model).paths.splice(0, 1, '/etc/passwd')),
      'corrupt-file',
      '/etc/passwd',
    ],
    [
      'a shard on the web',
      edited(model => first(model).paths.splice(0, 1, 'http://a/b')),
      'corrupt-file',
      'http://a/b',
    ],
    ['text', edited(model => Object.assign(first(model).weights[0], { dtype: 'string' })), 'unsupported', '"string"'],
    [
      'a huge weight',
      edited(model => Object.assign(first(model).weights[0], { shape: [2 ** 50, 64] })),
      'corrupt-file',
      'conv/kernel',
    ],
    ['too few weights', edited(model => first(model).weights.pop()), 'corrupt-file', 'need 8 bytes'],
    [
      'two weights of one name',
      edited(model => Object.assign(first(model).weights[1], { name: 'conv/kernel', shape: [1] })),
      'corrupt-file',
      'two tensors',
    ],
    [
      'no manifest',
      edited(model => Reflect.deleteProperty(model, 'weightsManifest')),
      'unsupported',
      'weightsManifest',
    ],
    [
      'an unknown quantisation',
      edited(model => Object.assign(first(model).weights[0], { quantization: { dtype: 'int4' } })),
      'unsupported',
      'quantised',
    ],
  ])('with %s is refused', async (_, text, code, message) => {
    const error = await failure(openCheckpoint(text, { shards: fromMemory }))
    expect(error).toMatchObject({ code })
    expect(error.message).toContain(message)
  })

  it('without its shards says what it needs', async () => {
    expect((await failure(openCheckpoint(json))).message).toContain("whose weights are in 'part0.bin': give 'shards'")
    await rm(join(folder, 'net/part2.bin'))
    expect(await failure(openCheckpoint(join(folder, 'net')))).toMatchObject({ code: 'not-found' })
  })
})
