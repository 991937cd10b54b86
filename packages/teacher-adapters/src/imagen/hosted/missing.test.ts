import sharp from 'sharp'
import { afterEach, expect, test, vi } from 'vitest'
import { edit, hostedServer, images } from '../../../test/hosted-server.js'
import { hostedTeacher } from '../../../test/hosted-teacher.js'

const missing = (name: string) => () => {
  throw Object.assign(new Error(`Cannot find package '${name}'`), { code: 'ERR_MODULE_NOT_FOUND' })
}

const server = hostedServer()
const { attempt } = hostedTeacher(server, 16)
afterEach(() => {
  vi.doUnmock('@google/genai')
  vi.doUnmock('sharp')
})

test('without the SDK the error names the package to install; what is cached needs none', async () => {
  vi.doMock('@google/genai', missing('@google/genai'))
  const cache = new Map()
  const { error } = await attempt({ cache })
  expect(error).toMatchObject({ code: 'missing-package', message: expect.stringMatching(/npm install @google\/genai/) })
  vi.doUnmock('@google/genai')
  expect((await attempt({ cache })).pairs).toHaveLength(1)
  vi.doMock('@google/genai', missing('@google/genai'))
  expect((await attempt({ cache })).pairs).toHaveLength(1)
})

test('a JPEG without sharp: the error names the package, and the answer is kept until it is there', async () => {
  server.reply = async (request, response) => {
    const { width, height, data } = edit(request.image!)
    const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: 95 })
      .toBuffer()
    images({ data: jpeg, mimeType: 'image/jpeg' })(request, response)
  }
  vi.doMock('sharp', missing('sharp'))
  const cache = new Map()
  const { error } = await attempt({ cache })
  expect(error).toMatchObject({ code: 'missing-package', message: expect.stringMatching(/JPEG: npm install sharp/) })
  vi.doUnmock('sharp')
  const { pairs, usage } = await attempt({ cache })
  expect(pairs).toHaveLength(1)
  expect(usage.requests).toBe(0)
})
