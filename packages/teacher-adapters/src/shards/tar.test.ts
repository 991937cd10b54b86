import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { extract, type Header, pack } from 'tar-stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { scanTar, TAR_END, tarFile } from './tar.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fx-tar-'))
})
afterEach(() => rm(folder, { recursive: true }))

const scan = async (bytes: Uint8Array): Promise<Record<string, string>> => {
  const path = join(folder, 'a.tar')
  await writeFile(path, bytes)
  const file = await open(path)
  const files: Record<string, string> = {}
  try {
    for await (const { name, offset, size } of scanTar(file, path)) {
      files[name] = Buffer.from(bytes.subarray(offset, offset + size)).toString()
    }
  } finally {
    await file.close()
  }
  return files
}
const packed = (...entries: (Partial<Header> & { name: string } & { body?: string })[]): Promise<Uint8Array> => {
  const stream = pack()
  for (const { body = '', ...header } of entries) stream.entry(header, body)
  stream.finalize()
  return buffer(stream as never)
}
const corrupt = (bytes: Uint8Array, message: RegExp) =>
  expect(scan(bytes)).rejects.toEqual(
    expect.objectContaining({ code: 'corrupt-file', message: expect.stringMatching(message) }),
  )

/** An entry whose header says what it should not, with the right checksum. */
const forged = ({ type = '0', size, body = '' }: { type?: string; size?: string; body?: string }): Uint8Array => {
  const block = Buffer.from(tarFile('a.json', Buffer.from(body)))
  if (size !== undefined) block.write(size.padEnd(12, '\0'), 124, 'latin1')
  block.write(type, 156)
  const sum = block.subarray(0, 512).reduce((total, value, i) => total + (i >= 148 && i < 156 ? 32 : value), 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([block, size === undefined ? Buffer.alloc(0) : TAR_END])
}

const ours = Buffer.concat([
  tarFile('000000.input.png', Buffer.from('in')),
  tarFile('000000.json', Buffer.alloc(512, 'x')),
  tarFile('empty', Buffer.alloc(0)),
  TAR_END,
])

test('what is written can be read by this and by another reader', async () => {
  const content = { '000000.input.png': 'in', '000000.json': 'x'.repeat(512), empty: '' }
  expect(await scan(ours)).toEqual(content)
  const reader = extract()
  const theirs: Record<string, string> = {}
  reader.on('entry', async (header, stream, next) => {
    expect(header).toMatchObject({ mode: 0o644, uid: 0, gid: 0, mtime: new Date(0), type: 'file' })
    theirs[header.name] = (await buffer(stream as never)).toString()
    next()
  })
  reader.end(ours)
  await new Promise(resolve => reader.on('finish', () => resolve(undefined)))
  expect(theirs).toEqual(content)
})

test('tars of others are read: pax and GNU long names, folders, links and devices passed over', async () => {
  const long = `${'a'.repeat(150)}/000001.input.png`
  expect(
    await scan(
      await packed(
        { name: 'folder', type: 'directory' },
        { name: 'ü.input.png', body: 'umlaut' },
        { name: long, body: 'long' },
        { name: 'link.input.png', type: 'symlink', linkname: '/etc/passwd' },
        { name: 'hard.input.png', type: 'link', linkname: 'x' },
        { name: 'device.input.png', type: 'character-device' },
        { name: './dotted.json', body: '{}' },
        { name: 'by-pax', pax: { path: 'renamed.json' }, body: 'pax' },
      ),
    ),
  ).toEqual({ 'ü.input.png': 'umlaut', [long]: 'long', 'dotted.json': '{}', 'renamed.json': 'pax' })

  const gnuName = `${'b'.repeat(120)}.json`
  const gnu = Buffer.concat([
    forged({ type: 'L', body: `${gnuName}\0` }),
    tarFile(gnuName.slice(0, 100), Buffer.from('gnu')),
    TAR_END,
  ])
  expect(await scan(gnu)).toEqual({ [gnuName]: 'gnu' })
})

test('cut at any block, a tar is refused', async () => {
  for (let length = 0; length < ours.length - 1024; length += 256) {
    await corrupt(ours.subarray(0, length), /truncated at byte/)
  }
})

test('a damaged header, a size that lies and a path that leaves the archive are refused', async () => {
  const flipped = Buffer.from(ours)
  flipped[3]! ^= 1
  await corrupt(flipped, /bad header at byte 0/)
  await corrupt(forged({ size: '77777777777' }), /truncated/)
  await corrupt(forged({ size: 'zzz' }), /bad size/)
  await corrupt(forged({ size: '77777777777', type: 'x' }), /truncated/)
  await corrupt(await packed({ name: '../../home/x.input.png', body: 'x' }), /leaves the archive/)
  await corrupt(await packed({ name: '/etc/x.input.png', body: 'x' }), /leaves the archive/)
  await corrupt(Buffer.concat([Buffer.of(0x1f, 0x8b), Buffer.alloc(2000, 7)]), /compressed/)
  await corrupt(Buffer.from('<!doctype html>'.padEnd(2000, ' ')), /bad header/)
})
