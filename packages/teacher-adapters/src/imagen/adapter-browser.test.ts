import { prepareBackend } from '@fx/backend'
import { expect, test, vi } from 'vitest'
import { tinyImagenTeacher, tinyStages } from '../../test/tiny-cascade.js'
import { encodeImagenStage, readDiffusersStage } from '../imagen.js'

vi.mock('@fx/weights/node', () => {
  throw new Error('there is no file system here')
})
vi.mock('node:fs/promises', () => {
  throw new Error('there is no file system here')
})

test('without a backend it says what to call', async () => {
  await expect(tinyImagenTeacher()).rejects.toMatchObject({
    code: 'backend-unavailable',
    message: expect.stringMatching(/prepareBackend\(\)/),
  })
})

test('where there is no file system, bytes are taken and a path is refused', async () => {
  await prepareBackend({ backend: 'cpu' })
  const stages = tinyStages().map(stage => encodeImagenStage(stage))
  const teacher = await tinyImagenTeacher({ stages })
  await teacher.dispose?.()
  await expect(tinyImagenTeacher({ stages: ['stage.safetensors'] })).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringMatching(/Only Node can open stage.safetensors.*bytes/),
  })
  await expect(readDiffusersStage('if-i-m')).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringMatching(/Only Node can read if-i-m\/unet\/config\.json/),
  })
})
