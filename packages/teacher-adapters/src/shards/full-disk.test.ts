import { expect, test, vi } from 'vitest'
import { filesIn, temporaryFolder } from '../../test/folder.js'
import { effect, pairsOf, size } from '../../test/noise.js'
import { disk } from '../../test/small-disk.js'
import { writeShards } from '../shards.js'

vi.mock('node:fs/promises', async original => {
  const { onSmallDisk } = await import('../../test/small-disk.js')
  return onSmallDisk(await original<typeof import('node:fs/promises')>())
})

const at = temporaryFolder()

test('a full disk is told as such, leaves nothing half-written, and the run goes on once there is room', async () => {
  const options = { effect, size, pairsPerShard: 4 }
  await writeShards(at('unbroken'), pairsOf(0, 10), options)
  const expected = await filesIn(at('unbroken'))
  const shard = Buffer.from(expected['000000.tar']!, 'base64').length
  for (const left of [0, 700, shard - 1, shard, shard + 200, shard * 1.7]) {
    disk.left = Math.floor(left)
    const folder = at(`disk-${left}`)
    await expect(writeShards(folder, pairsOf(0, 10), options)).rejects.toEqual(
      expect.objectContaining({ code: 'write-failed', message: expect.stringMatching(/: the disk is full$/) }),
    )
    for (const [name, content] of Object.entries(await filesIn(folder))) {
      if (name === 'manifest.partial.json') JSON.parse(Buffer.from(content, 'base64').toString())
      else expect(content).toBe(expected[name])
    }
    disk.left = Number.POSITIVE_INFINITY
    await writeShards(folder, pairsOf(0, 10), options)
    expect(await filesIn(folder)).toEqual(expected)
  }
})
