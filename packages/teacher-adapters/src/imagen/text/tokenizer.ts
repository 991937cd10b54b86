import { FxError } from '@fx/core'
import * as z from 'zod'

/** Text to token ids. */
export interface TextTokenizer {
  /** The ids of a text, with the end token where the tokenizer adds one. Words it does not know become its unknown token. */
  encode(text: string): number[]
}

const tokenizerJson = z.looseObject({
  model: z.looseObject({ type: z.string(), unk_token: z.string().nullish(), unk_id: z.int().nullish() }),
  added_tokens: z.array(z.looseObject({ id: z.int(), content: z.string() })).default([]),
})

const loadLibrary = async () => {
  try {
    return await import('@huggingface/tokenizers')
  } catch (cause) {
    throw new FxError(
      'missing-package',
      'Text is read with the optional package @huggingface/tokenizers: npm install @huggingface/tokenizers',
      { cause, details: { packages: ['@huggingface/tokenizers'] } },
    )
  }
}

/**
 * A tokenizer from the contents of a `tokenizer.json`, the format of Hugging Face's tokenizers: T5's, or one of your own.
 * Needs `@huggingface/tokenizers`.
 *
 * @throws FxError `missing-package`; `corrupt-file` for what is not a tokenizer.
 */
export const openTokenizer = async (json: unknown): Promise<TextTokenizer> => {
  const { Tokenizer } = await loadLibrary()
  const parsed = tokenizerJson.safeParse(json)
  const refuse = (reason: string, cause?: unknown) =>
    new FxError('corrupt-file', `imagen: this is not a tokenizer.json: ${reason}`, { cause })
  if (!parsed.success) {
    throw refuse(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
  }
  const { unk_token: unknownToken, unk_id: unknownId } = parsed.data.model
  const open = () => {
    try {
      // It wants the tokenizer_config.json as well, and of that only the special tokens that tokenizer.json has too.
      return new Tokenizer(json as object, {})
    } catch (cause) {
      throw refuse((cause as Error).message, cause)
    }
  }
  const tokenizer = open()
  const unknown = unknownId ?? (unknownToken == null ? undefined : tokenizer.token_to_id(unknownToken))
  return {
    encode: text =>
      // The library leaves words out of a word-level vocabulary without an id.
      (tokenizer.encode(text).ids as (number | undefined)[]).map((id, at) => {
        if (id !== undefined) return id
        if (unknown !== undefined) return unknown
        const word = tokenizer.encode(text).tokens[at]
        throw new FxError('invalid-argument', `imagen: the tokenizer knows neither '${word}' nor an unknown token`)
      }),
  }
}
