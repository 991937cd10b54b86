import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { failure, fixture, fixturePath, loadAll } from '../../test/fixtures.js'
import { fileSource, openCheckpoint, sha256Source, writeSafetensors } from '../node.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weights-'))
})
afterEach(async () => rm(folder, { recursive: true }))

/** File handles of this process on a path. */
const handles = async (path: string): Promise<number> => {
  const { readlink } = await import('node:fs/promises')
  const open = await readdir('/proc/self/fd')
  const links = await Promise.all(open.map(fd => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  return links.filter(link => link === path).length
}

describe('a file', () => {
  it('opens by path, by address, by bytes and as a source alike', async () => {
    const path = fixturePath('tiny.zip.pt')
    const all = []
    for (const location of [
      path,
      pathToFileURL(path),
      `${pathToFileURL(path)}`,
      fixture('tiny.zip.pt'),
      await fileSource(path),
    ]) {
      const checkpoint = await openCheckpoint(location)
      all.push(await loadAll(checkpoint))
      await checkpoint.close()
    }
    for (const one of all) expect(one).toEqual(all[0])
  })

  it('is checked against a SHA-256', async () => {
    const path = fixturePath('tiny.zip.pt')
    const sha256 = createHash('sha256').update(fixture('tiny.zip.pt')).digest('hex')
    const source = await fileSource(path)
    expect(await sha256Source(source)).toBe(sha256)
    await source.close?.()
    await (await openCheckpoint(path, { sha256 })).close()
    expect(await failure(openCheckpoint(path, { sha256: '0'.repeat(64) }))).toMatchObject({
      code: 'checksum-mismatch',
      details: { sha256 },
    })
  })

  it('that is missing or a folder is named', async () => {
    expect(await failure(openCheckpoint(join(folder, 'none.pt')))).toMatchObject({ code: 'not-found' })
    expect((await failure(openCheckpoint(folder))).message).toContain('it is a folder')
  })

  it('that is too short is named truncated, and closed', async () => {
    const path = join(folder, 'cut.pkl')
    await writeFile(path, fixture('uncond.ada.pkl').subarray(0, 300_000))
    const error = await failure(openCheckpoint(path))
    expect(error).toMatchObject({ code: 'corrupt-file', details: { truncated: true, source: path } })
    expect(error.message).toContain(`${path} is truncated`)
    if (process.platform === 'linux') expect(await handles(path)).toBe(0)
  })

  it('that becomes shorter while it is read is named', async () => {
    const path = join(folder, 'shrinks.safetensors')
    await writeFile(path, fixture('tiny.safetensors'))
    const checkpoint = await openCheckpoint(path)
    await truncate(path, 300)
    expect((await failure(checkpoint.tensors.get('scale')!.load())).message).toContain('became shorter')
    await checkpoint.close()
  })

  it.each([
    ['', 'is truncated'],
    ['short', 'is truncated'],
    ['version https://git-lfs.github.com/spec/v1\noid sha256:0', 'Git LFS pointer'],
    ['\x89HDF\r\n\x1a\n'.padEnd(64), 'HDF5'],
    ['something else entirely', 'no known layout'],
  ])('that begins with %j is told apart', async (text, message) => {
    const path = join(folder, 'other')
    await writeFile(path, text, 'latin1')
    expect((await failure(openCheckpoint(path))).message).toContain(message)
  })
})

describe('writeSafetensors', () => {
  const tensors = [
    ['b', { shape: [2, 2], data: Float32Array.of(1, -2, 0.5, 3) }],
    ['a', { shape: [3], data: Float32Array.of(1, 2, 3), dtype: 'float16' }],
    ['7', { shape: [], data: BigInt64Array.of(-9n) }],
    ['__proto__', { shape: [0, 4], data: new Uint8Array(0), dtype: 'bool' }],
  ] as const

  it('writes the same bytes for the same tensors, and they read back', async () => {
    const [one, two] = [join(folder, 'deep/one.safetensors'), join(folder, 'two.safetensors')]
    await writeSafetensors(one, tensors, { seed: '7', licence: 'CC0' })
    await writeSafetensors(two, [...tensors].reverse(), { licence: 'CC0', seed: '7' })
    expect(await readFile(one)).toEqual(await readFile(two))
    expect(await readdir(join(folder, 'deep'))).toEqual(['one.safetensors'])
    const checkpoint = await openCheckpoint(one)
    expect({ ...checkpoint.metadata }).toEqual({ licence: 'CC0', seed: '7' })
    expect(await loadAll(checkpoint)).toEqual(
      new Map<string, unknown>([
        ['7', { dtype: 'int64', shape: [], data: BigInt64Array.of(-9n) }],
        ['b', { dtype: 'float32', shape: [2, 2], data: tensors[0][1].data }],
        ['a', { dtype: 'float16', shape: [3], data: tensors[1][1].data }],
        ['__proto__', { dtype: 'bool', shape: [0, 4], data: new Uint8Array(0) }],
      ]),
    )
    await checkpoint.close()
  })

  it('writes nothing of tensors that do not hold', async () => {
    const path = join(folder, 'no.safetensors')
    const data = Float32Array.of(1)
    expect(await failure(writeSafetensors(path, [['x', { shape: [2], data }]]))).toMatchObject({
      code: 'shape-mismatch',
    })
    for (const [name, dtype] of [
      ['x', 'int8'],
      ['__metadata__', 'float32'],
    ] as const)
      expect(await failure(writeSafetensors(path, [[name, { shape: [1], data, dtype }]]))).toMatchObject({
        code: 'invalid-argument',
      })
    expect(await readdir(folder)).toEqual([])
  })
})
