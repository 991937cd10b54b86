import { mkdtemp, readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import protobuf from 'protobufjs/minimal.js'
import { expect, test } from 'vitest'
import { openEventLog } from './event-log.js'
import { fileVersionEvent, imagesEvent, scalarsEvent, tfRecord } from './tfrecord.js'

test('records are those of TensorBoard 2.21, byte for byte', () => {
  const wallTime = 1_700_000_000.5
  const written = [fileVersionEvent(wallTime), scalarsEvent(wallTime, 7, { loss: 0.5 })].map(tfRecord)
  expect(Buffer.concat(written).toString('hex')).toBe(
    '1800000000000000a37f4b220900002040fc54d9411a0d627261696e2e4576656e743a322b353110' +
      '1a00000000000000129bd82d0900002040fc54d94110072a0d0a0b0a046c6f7373150000003f9583bdba',
  )
})

/** Steps and session starts of an event file, in order. */
const stepsOf = async (path: string): Promise<string[]> => {
  const file = await readFile(path)
  const found: string[] = []
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at))
    const reader = protobuf.Reader.create(file.subarray(at + 12, at + 12 + length))
    let step = 0
    let kind = ''
    while (reader.pos < reader.len) {
      const tag = reader.uint32()
      if (tag === 16) step = Number(reader.int64())
      else {
        kind = { 26: 'version', 42: 'summary', 58: 'start' }[tag] ?? kind
        reader.skipType(tag & 7)
      }
    }
    found.push(`${kind} ${step}`)
    at += length + 16
  }
  return found
}

test('a resumed log starts a file that sorts later and supersedes the steps it repeats', async () => {
  const folder = join(await mkdtemp(join(tmpdir(), 'fx-events-')), 'logs')
  const first = await openEventLog(folder)
  await first.scalars(10, { loss: 1 })
  await first.scalars(20, { loss: 2 })
  await first.close()
  const second = await openEventLog(folder, 11)
  await second.scalars(20, { loss: 2 })
  await second.close()
  const names = (await readdir(folder)).sort()
  expect(names).toHaveLength(2)
  expect(await stepsOf(join(folder, names[0]!))).toEqual(['version 0', 'summary 10', 'summary 20'])
  expect(await stepsOf(join(folder, names[1]!))).toEqual(['version 0', 'start 11', 'summary 20'])
})

test('a fresh log removes the files before it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fx-events-'))
  await (await openEventLog(folder)).close()
  await (await openEventLog(folder)).close()
  expect(await readdir(folder)).toHaveLength(1)
})

test('images carry their size and their bytes', () => {
  const message = Buffer.from(imagesEvent(0.5, 1, { picture: { width: 2, height: 3, png: Uint8Array.of(9, 8, 7) } }))
  expect(message.toString('hex')).toContain('080310021803')
  expect(message.toString('hex')).toContain('2203090807')
})

test('a folder that cannot be made is a failed write', async () => {
  await expect(openEventLog('/dev/null/logs')).rejects.toMatchObject({ code: 'write-failed' })
})
