import type { TeacherPair } from '@fx/teacher-adapters'
import { colourDistance } from '@fx/teacher-adapters/portraits'
import { type FullPortraitLook, PORTRAIT_ATTRIBUTES, type PortraitAttribute } from '../src/captions.js'
import type { Effect } from './attributes.js'

/** Haircuts of "Pixel Art" of which next to nothing is left at 16 x 16 squares. */
const BALD = new Set(['short05', 'short07', 'short20', 'short21', 'short23'])

/** The name of the nearest of an attribute's colours, in OKLab. */
const nameColour = (attribute: PortraitAttribute, colour: string): string => {
  const named = PORTRAIT_ATTRIBUTES[attribute].filter(value => value.colour !== undefined)
  const distance = (other: string) => colourDistance(colour.slice(1), other.slice(1))
  return named.reduce((best, value) => (distance(value.colour!) < distance(best.colour!) ? value : best)).name
}

/** How a colour effect shows by its strength; too little of it leaves the person's own colour. */
const COLOUR_EFFECTS: Partial<Record<Effect, readonly [slight: string, rather: string, full: string]>> = {
  'hair-colour': ['slightly pink', 'rather pink', 'vivid pink'],
  'skin-colour': ['slightly blue', 'rather blue', 'sky-blue'],
  background: ['slightly green', 'rather green', 'green screen'],
}

/** What a caption can say of a pair's input or, `edited`, its target. */
export const lookOf = ({ parameters, provenance }: TeacherPair, effect: Effect, edited: boolean): FullPortraitLook => {
  const extra = provenance.extra ?? {}
  const text = (name: string): string => String(extra[name] ?? '')
  const look: FullPortraitLook = {
    'hair-colour': nameColour('hair-colour', text('hairColor')),
    'hair-length': text('hair').startsWith('long') ? 'long' : BALD.has(text('hair')) ? 'bald' : 'short',
    'skin-colour': nameColour('skin-colour', text('skinColor')),
    background: nameColour('background', text('backgroundColor')),
    clothes: nameColour('clothes', text('clothingColor')),
    glasses: text('glasses') === '' ? 'none' : 'some',
    hat: text('hat') === '' ? 'none' : nameColour('hat', text('hatColor')),
    smile: text('mouth').startsWith('happy') ? 'some' : 'none',
    beard: text('beard') === '' ? 'none' : 'some',
  }
  if (!edited) return look
  if (effect === 'glasses') return { ...look, glasses: 'some' }
  const strength = parameters.strength ?? 1
  const shown = COLOUR_EFFECTS[effect]!
  if (strength < 0.15) return look
  return { ...look, [effect]: strength < 0.45 ? shown[0] : strength < 0.8 ? shown[1] : shown[2] }
}
