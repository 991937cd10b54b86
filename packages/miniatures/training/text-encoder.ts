import { seededRandom } from '@fx/core'
import {
  PORTRAIT_ATTRIBUTES,
  type PortraitAttribute,
  type PortraitLook,
  portraitCaption,
  saidOf,
} from '../src/captions.js'

const SPECIAL = ['<pad>', '</s>', '<unk>', '<extra_id_0>'] as const
export const [PAD, END, UNKNOWN, MASK] = [0, 1, 2, 3]

const ATTRIBUTES = Object.keys(PORTRAIT_ATTRIBUTES) as PortraitAttribute[]
const clauses = ATTRIBUTES.map(attribute => PORTRAIT_ATTRIBUTES[attribute].map(({ clause }) => clause))

const wordsOf = (text: string): string[] => text.toLowerCase().match(/[a-z]+/g) ?? []

/** The words of all captions, after the special tokens. */
export const vocabulary: readonly string[] = [
  ...SPECIAL,
  ...[...new Set([portraitCaption({}), ...clauses.flat()].flatMap(wordsOf))].sort(),
]

/** Tokens of the longest caption, with its end. */
export const TEXT_LENGTH =
  wordsOf(portraitCaption({})).length +
  clauses.reduce((sum, list) => sum + Math.max(...list.map(clause => wordsOf(clause).length)), 0) +
  1

/** A `tokenizer.json` of whole words: what is no letter parts them. */
export const tokenizerJson = (): object => ({
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: SPECIAL.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })),
  normalizer: { type: 'Lowercase' },
  pre_tokenizer: { type: 'Split', pattern: { Regex: '[^a-z]+' }, behavior: 'Removed', invert: false },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }],
    pair: [
      { Sequence: { id: 'A', type_id: 0 } },
      { SpecialToken: { id: '</s>', type_id: 0 } },
      { Sequence: { id: 'B', type_id: 1 } },
      { SpecialToken: { id: '</s>', type_id: 1 } },
    ],
    special_tokens: { '</s>': { id: '</s>', ids: [END], tokens: ['</s>'] } },
  },
  decoder: null,
  model: {
    type: 'WordLevel',
    vocab: Object.fromEntries(vocabulary.map((word, id) => [word, id])),
    unk_token: '<unk>',
  },
})

/** Classes of every attribute: its values, and last that nothing is said of it. */
export const CLASSES = ATTRIBUTES.map(attribute => PORTRAIT_ATTRIBUTES[attribute].length + 1)

/** A caption and what it says, as a class of every attribute. */
export interface LabelledCaption {
  caption: string
  classes: number[]
}

/** Every value as likely as any other, so that the encoder learns the rare ones too. */
export const labelledCaption = (seed: string): LabelledCaption => {
  const random = seededRandom(seed, 'values')
  const look = Object.fromEntries(
    ATTRIBUTES.map(attribute => {
      const values = PORTRAIT_ATTRIBUTES[attribute]
      return [attribute, values[random.integer(values.length)]!.name]
    }),
  )
  const said: PortraitLook = saidOf(look, seed)
  const classes = ATTRIBUTES.map(attribute => {
    const values = PORTRAIT_ATTRIBUTES[attribute]
    const at = values.findIndex(({ name }) => name === said[attribute])
    return at === -1 ? values.length : at
  })
  return { caption: portraitCaption(said), classes }
}
