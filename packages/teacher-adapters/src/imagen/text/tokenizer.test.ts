import { describe, expect, test } from 'vitest'
import unigram from '../../../fixtures/text/unigram.json' with { type: 'json' }
import { openTokenizer } from '../../imagen.js'

const words = (vocab: object, more: object = {}) => ({
  version: '1.0',
  added_tokens: [],
  normalizer: { type: 'Lowercase' },
  pre_tokenizer: { type: 'Whitespace' },
  post_processor: null,
  decoder: null,
  model: { type: 'WordLevel', vocab, unk_token: '<unk>', ...more },
})

describe('tokenizers', () => {
  // As T5's: a unigram model, pieces that begin with a bar, an end token. The ids are those of Hugging Face's Rust library.
  test.each(unigram.texts as [string, number[]][])('%s', async (text, ids) => {
    const tokenizer = await openTokenizer(unigram.tokenizer)
    expect(tokenizer.encode(text)).toEqual(ids)
  })

  test('whole words, among them unknown ones', async () => {
    const tokenizer = await openTokenizer(words({ '<unk>': 0, pink: 1, hair: 2, '-': 3 }))
    expect(tokenizer.encode('Pink-HAIR of nobody')).toEqual([1, 3, 2, 0, 0])
    expect(tokenizer.encode('')).toEqual([])
  })

  test('a word that is unknown to a tokenizer without a token for such words is named', async () => {
    const tokenizer = await openTokenizer(words({ pink: 1 }, { unk_token: null }))
    expect(tokenizer.encode('pink')).toEqual([1])
    expect(() => tokenizer.encode('pink shoes')).toThrow(
      expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(/'shoes'/) }),
    )
  })

  test.each([
    ['nothing', null],
    ['a config', { tokenizer_class: 'T5Tokenizer' }],
    ['an unknown model', { ...words({}), model: { type: 'Oracle' } }],
    ['a vocabulary that is none', words({}, { type: 'Unigram', vocab: 7, unk_id: 0 })],
  ])('%s is refused', async (_, json) => {
    await expect(openTokenizer(json)).rejects.toMatchObject({
      code: 'corrupt-file',
      message: expect.stringMatching(/not a tokenizer\.json/),
    })
  })
})
