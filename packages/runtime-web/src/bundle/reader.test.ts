import { FxError, sha256Hex } from '@fx/core'
import { afterEach, expect, test, vi } from 'vitest'
import { testManifest } from '../../test/manifest.js'
import { openBundle } from './reader.js'

const url = new URL('https://example.test/effect/effect.json')
const weights = new TextEncoder().encode('weights')

/** Serves a manifest that lists one file, and counts what is fetched. */
const serve = (file: Uint8Array<ArrayBuffer> = weights) => {
  const fetched: string[] = []
  const manifest = testManifest({ files: [{ path: 'model/a.bin', size: 7, sha256: sha256Hex(weights) }] })
  vi.stubGlobal('fetch', async (asked: URL) => {
    fetched.push(asked.pathname)
    return asked.pathname.endsWith('.json') ? Response.json(manifest) : new Response(file)
  })
  return fetched
}

afterEach(() => vi.unstubAllGlobals())

test('files are fetched when they are asked for, once', async () => {
  const fetched = serve()
  const bundle = await openBundle(url)
  expect(fetched).toEqual(['/effect/effect.json'])
  const [first, second] = await Promise.all([bundle.read('model/a.bin'), bundle.read('model/a.bin')])
  expect(first).toEqual(weights)
  expect(second).toBe(first)
  expect(fetched).toEqual(['/effect/effect.json', '/effect/model/a.bin'])
  bundle.release()
  expect(await bundle.read('model/a.bin')).toEqual(weights)
  expect(fetched).toHaveLength(3)
})

test('the hash names what the bundle holds', async () => {
  serve()
  const { hash } = await openBundle(url)
  expect(hash).toMatch(/^[0-9a-f]{64}$/)
  expect((await openBundle(url)).hash).toBe(hash)
})

test.each([
  [weights.slice(1), 'corrupt-file', 'truncated'],
  [new TextEncoder().encode('wEights'), 'checksum-mismatch', 'SHA-256'],
])('a wrong file is named, and may be asked for again', async (file, code, message) => {
  const fetched = serve(file)
  const bundle = await openBundle(url)
  for (let i = 0; i < 2; i++) {
    await expect(bundle.read('model/a.bin')).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
  }
  expect(fetched).toHaveLength(3)
})

test('a file that is not listed is not fetched', async () => {
  const fetched = serve()
  const bundle = await openBundle(url)
  const error = await bundle.read('secret').catch(error => error)
  expect(FxError.isInstance(error, 'corrupt-file')).toBe(true)
  expect(fetched).toHaveLength(1)
})
