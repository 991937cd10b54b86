import { describe, expect, it } from 'vitest'
import { failure, fixture, loadAll } from '../../test/fixtures.js'
import { asZip64 } from '../../test/zip64.js'
import { openCheckpoint } from '../index.js'
import { crc32 } from './crc32.js'

const zip = fixture('tiny.zip.pt')
/** A copy with every directory entry changed. */
const edited = (edit: (entry: DataView) => void): Uint8Array => {
  const copy = Uint8Array.from(zip)
  const view = new DataView(copy.buffer)
  for (let at = view.getUint32(copy.length - 6, true); view.getUint32(at, true) === 0x02014b50; ) {
    edit(new DataView(copy.buffer, at))
    at += 46 + view.getUint16(at + 28, true) + view.getUint16(at + 30, true) + view.getUint16(at + 32, true)
  }
  return copy
}

describe('a torch zip', () => {
  it('of more than 4 GiB is read through its zip64 directory', async () => {
    const source = asZip64(zip, 5 * 2 ** 30)
    expect(source.size).toBeGreaterThan(5 * 2 ** 30)
    expect(await loadAll(await openCheckpoint(source))).toEqual(await loadAll(await openCheckpoint(zip)))
  })

  it.each([
    ['compressed', (entry: DataView) => entry.setUint16(10, 8, true), 'is compressed (method 8)'],
    ['encrypted', (entry: DataView) => entry.setUint16(8, 1, true), 'is encrypted'],
    ['of two sizes', (entry: DataView) => entry.setUint32(20, 3, true), 'has two sizes'],
    ['beyond the directory', (entry: DataView) => entry.setUint32(42, 0x7fffffff, true), 'reaches into the directory'],
    ['somewhere else', (entry: DataView) => entry.setUint32(42, 1, true), 'is not where the directory says'],
    ['without its 64-bit sizes', (entry: DataView) => entry.setUint32(42, 0xffffffff, true), 'lacks its 64-bit sizes'],
  ])('with entries %s is refused', async (_, edit, message) => {
    expect((await failure(openCheckpoint(edited(edit)))).message).toContain(message)
  })

  it('without its pickle, or without a storage, is refused by name', async () => {
    const renamed = (from: string, to: string) =>
      Buffer.from(Buffer.from(zip).toString('latin1').replaceAll(from, to), 'latin1')
    expect((await failure(openCheckpoint(renamed('tiny/data.pkl', 'tiny/file.bin')))).message).toContain('data.pkl')
    expect((await failure(openCheckpoint(renamed('tiny/data/0', 'tiny/date/0')))).message).toContain("'0' is missing")
  })

  it('has CRC-32s as everyone computes them', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926)
  })
})
