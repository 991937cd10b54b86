import { seededRandom } from '@fx/core'
import type { RgbImage, TeacherPair } from '@fx/teacher-adapters'
import { portraitEffects, portraits } from '@fx/teacher-adapters/portraits'

/** The style of the miniature's portraits: "Pixel Art" by DiceBear, CC0. */
export const STYLE = 'pixelArt'

/** What can be said of a portrait. The first four are effects, too. */
export const ATTRIBUTES = ['hair-colour', 'skin-colour', 'background', 'glasses', 'smile', 'long-hair', 'hat'] as const
export type Attribute = (typeof ATTRIBUTES)[number]

/** The effects under which the generator has seen people. */
export const EFFECTS = ['hair-colour', 'skin-colour', 'background', 'glasses'] as const
export type Effect = (typeof EFFECTS)[number]

/** The effects that the miniature has an edit for: those that the judge found to change nothing else. */
export const EDITS = ['hair-colour', 'background', 'glasses'] as const satisfies readonly Effect[]
export type EditedEffect = (typeof EDITS)[number]

/** One picture of a pair with its attributes, 0 to 1: a colour effect counts by its strength. */
export interface LabelledPortrait {
  image: RgbImage
  labels: Record<Attribute, number>
}

const labelsOf = (
  effect: Effect,
  { parameters, provenance }: TeacherPair,
  edited: boolean,
): Record<Attribute, number> => {
  const { extra = {} } = provenance
  const component = (name: string): string => String(extra[name] ?? '')
  const acts = (id: Effect): number => (edited && effect === id ? (parameters.strength ?? 1) : 0)
  return {
    'hair-colour': acts('hair-colour'),
    'skin-colour': acts('skin-colour'),
    background: acts('background'),
    glasses: component('glasses') === '' ? acts('glasses') : 1,
    smile: component('mouth').startsWith('happy') ? 1 : 0,
    'long-hair': component('hair').startsWith('long') ? 1 : 0,
    hat: component('hat') === '' ? 0 : 1,
  }
}

/** Portraits with labels: each seed is one person under one effect or, half of the time, without it. */
export async function* labelledPortraits(seeds: Iterable<number>, size: number): AsyncGenerator<LabelledPortrait> {
  const teacher = portraits({ style: STYLE })
  for (const seed of seeds) {
    const random = seededRandom(seed, 'attributes')
    const effect = EFFECTS[random.integer(EFFECTS.length)]!
    const edited = random.uniform() < 0.5
    const request = { effect: portraitEffects[effect], size, seeds: [seed], parameters: 'sampled' as const }
    for await (const pair of teacher.pairs(request)) {
      yield { image: edited ? pair.target : pair.input, labels: labelsOf(effect, pair, edited) }
    }
  }
}
