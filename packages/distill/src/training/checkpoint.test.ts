import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readCheckpoint, writeCheckpoint } from './checkpoint.js'

const place = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'fx-checkpoint-')), 'a.safetensors')
const checkpoint = {
  state: { step: 7, words: 'größer' },
  tensors: { 'weights/0': Float32Array.of(1, -2.5, 1e-30), empty: new Float32Array(0), b: Float32Array.of(9) },
}

test('what is written is read, and it is a safetensors file', async () => {
  const path = await place()
  await writeCheckpoint(path, checkpoint)
  expect(await readCheckpoint(path)).toEqual(checkpoint)
  const file = await readFile(path)
  const length = Number(file.readBigUInt64LE(0))
  expect(length % 8).toBe(0)
  const header = JSON.parse(file.toString('utf8', 8, 8 + length))
  expect(header['weights/0']).toEqual({ dtype: 'F32', shape: [3], data_offsets: [0, 12] })
  expect(file.readFloatLE(8 + length + 4)).toBe(-2.5)
})

test('no checkpoint is undefined', async () => {
  expect(await readCheckpoint(await place())).toBeUndefined()
})

test('a damaged checkpoint is told from a newer one', async () => {
  const path = await place()
  await writeCheckpoint(path, checkpoint)
  const good = await readFile(path)
  const reject = async (bytes: Uint8Array, code: string) => {
    await writeFile(path, bytes)
    await expect(readCheckpoint(path)).rejects.toMatchObject({ code, message: expect.stringContaining(path) })
  }
  await reject(good.subarray(0, 5), 'corrupt-file')
  await reject(good.subarray(0, 60), 'corrupt-file')
  await reject(good.subarray(0, good.length - 4), 'checksum-mismatch')
  const flipped = Buffer.from(good)
  flipped[flipped.length - 1]! ^= 1
  await reject(flipped, 'checksum-mismatch')
  await reject(
    Buffer.from(good.toString('latin1').replace('fx-checkpoint-1', 'fx-checkpoint-2'), 'latin1'),
    'newer-version',
  )
  await reject(
    Buffer.from(good.toString('latin1').replace('fx-checkpoint-1', 'xx-checkpoint-1'), 'latin1'),
    'corrupt-file',
  )
})

test('a failed write leaves the checkpoint before it', async () => {
  const path = await place()
  await writeCheckpoint(path, checkpoint)
  await expect(writeCheckpoint(join(path, 'below'), checkpoint)).rejects.toMatchObject({ code: 'write-failed' })
  expect(await readCheckpoint(path)).toEqual(checkpoint)
  expect(await readdir(join(path, '..'))).toEqual(['a.safetensors'])
})
