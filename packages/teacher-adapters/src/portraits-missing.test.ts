import { expect, test, vi } from 'vitest'
import { portraitEffects, portraits } from './portraits.js'

vi.mock('@resvg/resvg-js', () => {
  throw Object.assign(new Error("Cannot find package '@resvg/resvg-js'"), { code: 'ERR_MODULE_NOT_FOUND' })
})

test('without its optional packages, the portraits teacher says what to install', async () => {
  const pairs = portraits().pairs({ effect: portraitEffects['hair-colour'], size: 32, seeds: [0] })
  await expect(pairs[Symbol.asyncIterator]().next()).rejects.toEqual(
    expect.objectContaining({
      code: 'missing-package',
      message: expect.stringMatching(/npm install @dicebear\/core@9 @dicebear\/collection@9 @resvg\/resvg-js@2/),
    }),
  )
})
