import { prepareBackend } from '@fx/backend'
import { expect, test, vi } from 'vitest'
import { tinyConfig, tinyTeacher, tinyWeights } from '../../test/tiny-stylegan2.js'
import { encodeStylegan2 } from '../stylegan2.js'

vi.mock('@fx/weights/node', () => {
  throw new Error('there is no file system here')
})

test('where there is no file system, bytes are taken and a path is refused', async () => {
  await prepareBackend({ backend: 'cpu' })
  const bytes = encodeStylegan2({ generator: { config: tinyConfig, weights: tinyWeights() } })
  const teacher = await tinyTeacher({ checkpoint: bytes })
  await teacher.dispose?.()
  await expect(tinyTeacher({ checkpoint: 'faces.safetensors' })).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringMatching(/Only Node can open faces.safetensors.*bytes/),
  })
  await expect(tinyTeacher({ edits: new URL('file:///edits.safetensors') })).rejects.toMatchObject({
    code: 'unsupported',
  })
})
