import { FxError, listed, seededRandom } from '@fx/core'

/** What a caption can say of a portrait that is 16 squares wide. */
export type PortraitAttribute =
  | 'hair-colour'
  | 'hair-length'
  | 'skin-colour'
  | 'background'
  | 'clothes'
  | 'glasses'
  | 'hat'
  | 'smile'
  | 'beard'

/** The attributes that an effect changes; they bear the effects' ids. */
export const PORTRAIT_EFFECTS = ['hair-colour', 'skin-colour', 'background', 'glasses'] as const
export type PortraitEffect = (typeof PORTRAIT_EFFECTS)[number]

/** One value of an attribute, and the words for it. */
export interface AttributeValue {
  name: string
  clause: string
  /** The middle of the colours that go by this name, as `#rrggbb`. */
  colour?: string
  /** Share of the drawn portraits that have it; 0 for what only an effect leads to. */
  share: number
  /** Says that something is not there: worth saying less often. */
  absence?: boolean
}

type ColourRow = readonly [name: string, colour: string, share: number]

const colours = (rows: readonly ColourRow[], clause: (name: string) => string): AttributeValue[] =>
  rows.map(([name, colour, share]) => ({ name, clause: clause(name), colour, share }))

const effect = (name: string, clause: string): AttributeValue => ({ name, clause, share: 0 })

const HAIR: readonly ColourRow[] = [
  ['black', '#0e0a0a', 0.087],
  ['dark brown', '#2c1b18', 0.101],
  ['brown', '#5c382b', 0.12],
  ['ginger', '#a55728', 0.089],
  ['light brown', '#b58143', 0.089],
  ['blond', '#d6b370', 0.087],
  ['pale blond', '#e8d8a8', 0.09],
  ['grey', '#b0a8a4', 0.087],
  ['red', '#8a2f1a', 0.13],
  ['green', '#3f8f4f', 0.03],
  ['blue', '#2f7f9f', 0.03],
  ['purple', '#5a4fc0', 0.03],
  ['golden', '#d8a020', 0.03],
]

const SKIN: readonly ColourRow[] = [
  ['pale', '#fde4d0', 0.085],
  ['fair', '#f1c3a5', 0.165],
  ['beige', '#dfa584', 0.165],
  ['tan', '#c68e6a', 0.165],
  ['brown', '#a36b4f', 0.17],
  ['dark brown', '#7a4a30', 0.165],
  ['very dark', '#50301f', 0.085],
]

const WALLS: readonly ColourRow[] = [
  ['white', '#f3ecee', 0.276],
  ['grey', '#bab6b7', 0.31],
  ['pale pink', '#e8c2cc', 0.056],
  ['pale orange', '#e5c8b1', 0.063],
  ['pale yellow', '#d2d0ae', 0.045],
  ['pale green', '#bcd6bc', 0.055],
  ['pale turquoise', '#acd8d7', 0.061],
  ['pale blue', '#b8d1eb', 0.071],
  ['pale purple', '#d7c6e4', 0.063],
]

const CLOTHES: readonly ColourRow[] = [
  ['dark red', '#853538', 0.053],
  ['brown', '#7d4000', 0.047],
  ['olive', '#575700', 0.051],
  ['dark green', '#15632f', 0.047],
  ['dark turquoise', '#00636a', 0.09],
  ['dark blue', '#23538e', 0.06],
  ['dark purple', '#693d7c', 0.064],
  ['dark grey', '#5c4e52', 0.1],
  ['pink', '#ee96b1', 0.049],
  ['orange', '#eba16e', 0.048],
  ['yellow', '#c4b65f', 0.049],
  ['light green', '#87c788', 0.055],
  ['turquoise', '#4bcaca', 0.059],
  ['light blue', '#7cb9f8', 0.059],
  ['lilac', '#caa0e9', 0.052],
  ['light grey', '#c0afb4', 0.117],
]

/** Share of the drawn people who wear a hat. */
const HATS = 0.05

/**
 * Every attribute's values. The clauses of full effects are those of `portraitEffects`' prompts, word for word; the
 * shares are those of the drawings after "Pixel Art".
 */
export const PORTRAIT_ATTRIBUTES: Readonly<Record<PortraitAttribute, readonly AttributeValue[]>> = {
  'hair-colour': [
    ...colours(HAIR, name => `with ${name} hair`),
    effect('slightly pink', 'with slightly pink hair'),
    effect('rather pink', 'with rather pink hair'),
    effect('vivid pink', 'with vivid pink hair'),
  ],
  'hair-length': [
    { name: 'short', clause: 'with short hair', share: 19 / 45 },
    { name: 'long', clause: 'with long hair', share: 21 / 45 },
    { name: 'bald', clause: 'nearly bald', share: 5 / 45 },
  ],
  'skin-colour': [
    ...colours(SKIN, name => `with ${name} skin`),
    effect('slightly blue', 'with slightly blue skin'),
    effect('rather blue', 'with rather blue skin'),
    effect('sky-blue', 'with sky-blue skin, like a being of a fantasy film'),
  ],
  background: [
    ...colours(WALLS, name => `in front of a ${name} wall`),
    effect('slightly green', 'in front of a slightly green wall'),
    effect('rather green', 'in front of a rather green wall'),
    effect('green screen', 'in front of a plain green screen'),
  ],
  clothes: colours(CLOTHES, name => `in ${name} clothes`),
  glasses: [
    { name: 'none', clause: 'without glasses', share: 0.8, absence: true },
    { name: 'some', clause: 'wearing glasses', share: 0.2 },
  ],
  hat: [
    { name: 'none', clause: 'without a hat', share: 1 - HATS, absence: true },
    ...colours(
      CLOTHES.map(([name, colour, share]) => [name, colour, HATS * share]),
      name => `wearing a ${name} hat`,
    ),
  ],
  smile: [
    { name: 'none', clause: 'not smiling', share: 10 / 23, absence: true },
    { name: 'some', clause: 'smiling', share: 13 / 23 },
  ],
  beard: [
    { name: 'none', clause: 'without a beard', share: 0.95, absence: true },
    { name: 'some', clause: 'with a beard', share: 0.05 },
  ],
}

/** The value that each effect leads to at full strength. */
const EFFECT_VALUES: Readonly<Record<PortraitEffect, string>> = {
  'hair-colour': 'vivid pink',
  'skin-colour': 'sky-blue',
  background: 'green screen',
  glasses: 'some',
}

/** What is known, or said, of a portrait: the names of values by attribute. Captions keep the order of the keys. */
export type PortraitLook = Partial<Record<PortraitAttribute, string>>
export type FullPortraitLook = Required<PortraitLook>

const ATTRIBUTES = Object.keys(PORTRAIT_ATTRIBUTES) as PortraitAttribute[]

const knownValue = (attribute: string, name: string): AttributeValue => {
  if (!Object.hasOwn(PORTRAIT_ATTRIBUTES, attribute)) {
    throw new FxError('invalid-argument', `Portraits have no attribute '${attribute}'; they have ${listed(ATTRIBUTES)}`)
  }
  const values = PORTRAIT_ATTRIBUTES[attribute as PortraitAttribute]
  const value = values.find(candidate => candidate.name === name)
  if (value) return value
  const known = listed(values.map(candidate => candidate.name))
  throw new FxError(
    'invalid-argument',
    `The attribute '${attribute}' of a portrait cannot be '${name}'; it is ${known}`,
  )
}

/**
 * The caption that says all of a look, for instance `a portrait of a person with brown hair, wearing glasses`.
 *
 * @throws FxError `invalid-argument` for an unknown attribute or value.
 */
export const portraitCaption = (look: PortraitLook): string => {
  const clauses = Object.entries(look).map(([attribute, name]) => knownValue(attribute, name).clause)
  return ['a portrait of a person', clauses.join(', ')].filter(Boolean).join(' ')
}

/**
 * The part of a look that a training caption says, in random order: everything in one caption of four, else each
 * attribute by chance, so that a short prompt works and what it leaves open varies. What only an effect leads to is
 * always said: unsaid, it should never appear.
 */
export const saidOf = (look: PortraitLook, seed: number | string): PortraitLook => {
  const random = seededRandom(seed, 'said')
  const chance = random.uniform() < 0.25 ? 1 : random.uniform()
  const said = Object.entries(look).filter(([attribute, name]) => {
    const { share, absence } = knownValue(attribute, name)
    return random.uniform() < chance * (absence && chance < 1 ? 0.5 : 1) || share === 0
  })
  return Object.fromEntries(random.shuffled(said))
}

/** A random person, with the shares of the drawings. */
export const drawLook = (seed: number | string): FullPortraitLook => {
  const drawn = ATTRIBUTES.map((attribute): [PortraitAttribute, string] => {
    const values = PORTRAIT_ATTRIBUTES[attribute]
    const total = values.reduce((sum, { share }) => sum + share, 0)
    let left = total * seededRandom(seed, 'look', attribute).uniform()
    const value = values.find(({ share }) => {
      left -= share
      return left < 0
    })
    return [attribute, (value ?? values[0]!).name]
  })
  return Object.fromEntries(drawn) as FullPortraitLook
}

/** What the input lacks or has, so that the effect shows and changes nothing else. */
const shownOn = (effect: PortraitEffect, look: FullPortraitLook): FullPortraitLook => {
  if (effect === 'glasses') return { ...look, glasses: 'none' }
  if (effect !== 'hair-colour') return look
  return { ...look, hat: 'none', 'hair-length': look['hair-length'] === 'bald' ? 'short' : look['hair-length'] }
}

/**
 * The prompts of a pair, from which a teacher makes two pictures with shared noise (InstructPix2Pix, Brooks et al.,
 * 2023, section 3.1): a full caption of a random person, and the same with the effect's clause in place of its own.
 *
 * @throws FxError `unknown-effect`.
 */
export const portraitPrompts = (effect: PortraitEffect, seed: number | string): { input: string; target: string } => {
  if (!PORTRAIT_EFFECTS.includes(effect)) {
    throw new FxError(
      'unknown-effect',
      `No caption tells the effect '${effect}'; there are ${listed(PORTRAIT_EFFECTS)}`,
    )
  }
  const look = shownOn(effect, drawLook(seed))
  const order = seededRandom(seed, 'order').shuffled(Object.entries(look))
  const input = Object.fromEntries(order) as FullPortraitLook
  return { input: portraitCaption(input), target: portraitCaption({ ...input, [effect]: EFFECT_VALUES[effect] }) }
}
