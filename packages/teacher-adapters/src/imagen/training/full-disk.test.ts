import { readFile } from 'node:fs/promises'
import { expect, test, vi } from 'vitest'
import { filesIn, temporaryFolder } from '../../../test/folder.js'
import { disk } from '../../../test/small-disk.js'
import { tinyImagenTraining } from '../../../test/tiny-imagen.js'
import { trainImagen } from '../../imagen-training.js'

vi.mock('node:fs/promises', async original => {
  const { onSmallDisk } = await import('../../../test/small-disk.js')
  return onSmallDisk(await original<typeof import('node:fs/promises')>())
})

const at = temporaryFolder()

test('a full disk is told as such, the snapshot stays, and the training goes on once there is room', async () => {
  const train = (name: string, totalImages: number) =>
    trainImagen(tinyImagenTraining(at(name), 'wasm', { totalImages, frechet: false, decay: 'none' }))
  await train('whole', 16)
  await train('run', 8)
  const snapshot = await readFile(at('run', 'snapshot.safetensors'))
  for (const left of [0, 60_000]) {
    disk.left = left
    await expect(train('run', 16)).rejects.toMatchObject({
      code: 'write-failed',
      message: expect.stringMatching(/: the disk is full$/),
    })
    expect(await readFile(at('run', 'snapshot.safetensors'))).toEqual(snapshot)
    expect(Object.keys(await filesIn(at('run'))).filter(name => name.endsWith('.tmp'))).toEqual([])
  }
  disk.left = Number.POSITIVE_INFINITY
  await train('run', 16)
  const network = 'network-00000.016.safetensors'
  expect(await readFile(at('run', network))).toEqual(await readFile(at('whole', network)))
})
