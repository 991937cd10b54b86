import { readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { beforeEach, expect, test } from 'vitest'
import { collect } from '../../test/collect.js'
import { temporaryFolder } from '../../test/folder.js'
import { effect, pairOf, pairsOf, size } from '../../test/noise.js'
import { openShards, readShards, writeShards } from '../shards.js'

const at = temporaryFolder()
const refusal = (code: string, message = /./) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })
const edit = async (name: string, change: (bytes: Buffer) => Buffer | undefined) => {
  const bytes = await readFile(at(name))
  await writeFile(at(name), change(bytes) ?? bytes)
}
const editManifest = (change: (manifest: Record<string, unknown>) => void) =>
  edit('manifest.json', bytes => {
    const manifest = JSON.parse(bytes.toString())
    change(manifest)
    return Buffer.from(JSON.stringify(manifest))
  })

beforeEach(() => writeShards(at(), pairsOf(0, 10), { effect, size, pairsPerShard: 4 }))

test('pairs come back as they went, in order and in any order', async () => {
  expect(await collect(readShards(at()))).toEqual(await collect(pairsOf(0, 10)))
  const reader = await openShards(at())
  expect(reader.pairCount).toBe(10)
  for (const index of [9, 0, 4, 3, 8, 8]) expect(await reader.pair(index)).toEqual(pairOf(index))
  expect((await Promise.all([7, 1, 5].map(reader.pair))).map(({ id }) => id)).toEqual(['noise-7', 'noise-1', 'noise-5'])
  for (const bad of [-1, 10, 0.5]) await expect(reader.pair(bad)).rejects.toEqual(refusal('invalid-argument', /0 to 9/))
})

test('a flipped byte in a shard is found by its checksum, once it is read from', async () => {
  await edit('000001.tar', bytes => {
    bytes[700]! ^= 1
    return undefined
  })
  const reader = await openShards(at())
  expect((await reader.pair(3)).id).toBe('noise-3')
  await expect(reader.pair(4)).rejects.toEqual(refusal('checksum-mismatch', /000001\.tar/))
  // Without the checksum, the PNG's own still finds it.
  await expect(collect(readShards(at(), { verify: false }))).rejects.toEqual(
    refusal('corrupt-file', /000001\.tar: 000004\.input\.png/),
  )
  await edit('000001.tar', bytes => {
    bytes[700]! ^= 1
    return undefined
  })
  expect((await reader.pair(4)).id).toBe('noise-4')
})

test('a shard that is cut or gone is named', async () => {
  await truncate(at('000002.tar'), 3000)
  await expect(collect(readShards(at()))).rejects.toEqual(refusal('corrupt-file', /000002\.tar has 3000 bytes/))
  await rm(at('000001.tar'))
  await expect(collect(readShards(at()))).rejects.toEqual(refusal('not-found', /000001\.tar is missing/))
})

test('shards that are not those of the manifest are refused', async () => {
  await rename(at('000001.tar'), at('x'))
  await rename(at('000000.tar'), at('000001.tar'))
  await rename(at('x'), at('000000.tar'))
  await expect(collect(readShards(at()))).rejects.toEqual(refusal('checksum-mismatch'))
})

test.each([
  [
    'newer',
    (m: Record<string, unknown>) => {
      m.formatVersion = 2
    },
    'newer-version',
    /version 2.*up to 1/,
  ],
  [
    'without shards',
    (m: Record<string, unknown>) => {
      delete m.shards
    },
    'corrupt-file',
    /shards/,
  ],
  [
    'of another count',
    (m: Record<string, unknown>) => {
      m.pairCount = 11
    },
    'corrupt-file',
    /11 pairs/,
  ],
  [
    'with a broken effect',
    (m: Record<string, unknown>) => {
      m.effect = { id: 'X' }
    },
    'corrupt-file',
    /manifest\.json/,
  ],
  [
    'that leads out of the folder',
    (m: Record<string, unknown>) => {
      ;(m.shards as { path: string }[])[0]!.path = '../000000.tar'
    },
    'corrupt-file',
    /file name/,
  ],
])('a manifest %s is refused', async (_, change, code, message) => {
  await editManifest(change)
  await expect(openShards(at())).rejects.toEqual(refusal(code, message))
})

test('a folder without a manifest, a manifest that is no JSON', async () => {
  await edit('manifest.json', bytes => bytes.subarray(0, 100))
  await expect(openShards(at())).rejects.toEqual(refusal('corrupt-file', /manifest\.json/))
  await rm(at('manifest.json'))
  await expect(openShards(at())).rejects.toEqual(refusal('not-found', /manifest\.json/))
  await expect(openShards(at('nowhere'))).rejects.toEqual(refusal('not-found', /nowhere/))
})

test('reading can be aborted between pairs', async () => {
  const controller = new AbortController()
  const seen: string[] = []
  const run = async () => {
    for await (const { id } of readShards(at(), { signal: controller.signal })) {
      seen.push(id)
      if (seen.length === 5) controller.abort()
    }
  }
  await expect(run()).rejects.toEqual(refusal('aborted'))
  expect(seen).toHaveLength(5)
})
