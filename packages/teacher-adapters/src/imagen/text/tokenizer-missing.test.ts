import { expect, test, vi } from 'vitest'
import { openTextEncoder, openTokenizer } from '../../imagen.js'

vi.mock('@huggingface/tokenizers', () => {
  throw new Error("Cannot find package '@huggingface/tokenizers'")
})

test('without the tokenizer library, the error names the package to install', async () => {
  const missing = expect.objectContaining({
    code: 'missing-package',
    message: expect.stringContaining('npm install @huggingface/tokenizers'),
  })
  await expect(openTokenizer({})).rejects.toEqual(missing)
  await expect(openTextEncoder({ checkpoint: new Uint8Array(), tokenizer: {} })).rejects.toEqual(missing)
})
