import { type EffectSpec, FxError, listed } from '@fx/core'
import { breather } from './breather.js'
import { validatePairRequest } from './contract/request.js'
import type { PairRequest, TeacherAdapter, TeacherPair } from './contract/types.js'
import { blend, colourDistance, type Hex } from './portraits/colour.js'
import { drawPerson, type Person } from './portraits/person.js'
import { openStudio, type Studio } from './portraits/render.js'
import {
  type ColourEffectId,
  type PortraitEffectId,
  type PortraitStyle,
  type Recipe,
  STYLES,
  type Style,
} from './portraits/styles.js'

export type { ColourEffectId, PortraitEffectId, PortraitStyle }
export { colourDistance }

/** Raised whenever the same seed would give other pixels. */
const REVISION = 1

const strength = { min: 0, max: 1, default: 1 }

/** The effects that portraits draw, ready to be asked for. Not every style has every one: see `capabilities.effects`. */
export const portraitEffects: Readonly<Record<PortraitEffectId, EffectSpec>> = {
  'hair-colour': {
    id: 'hair-colour',
    prompt: 'a portrait of a person with vivid pink hair',
    parameters: { strength },
  },
  'skin-colour': {
    id: 'skin-colour',
    prompt: 'a portrait of a person with sky-blue skin, like a being of a fantasy film',
    parameters: { strength },
  },
  background: {
    id: 'background',
    prompt: 'a portrait of a person in front of a plain green screen',
    parameters: { strength },
  },
  glasses: { id: 'glasses', prompt: 'a portrait of a person wearing glasses', parameters: {} },
  'facial-hair': { id: 'facial-hair', prompt: 'a portrait of a person with a beard or moustache', parameters: {} },
  smile: { id: 'smile', prompt: 'a portrait of a laughing person', parameters: {} },
}

const DEFAULT_COLOURS: Readonly<Record<ColourEffectId, string>> = {
  'hair-colour': '#ff2fa0',
  'skin-colour': '#4f9fe8',
  background: '#00b140',
}

/** The styles that `portraits` can draw. */
export const portraitStyles = Object.keys(STYLES) as readonly PortraitStyle[]

export interface PortraitsOptions {
  /** Whose drawings. Default `micah`. */
  style?: PortraitStyle
  /** The colours that the colour effects lead to, as `#rrggbb`. Defaults: pink hair, blue skin, green background. */
  colours?: Partial<Record<ColourEffectId, string>>
}

/**
 * A teacher that draws: DiceBear portraits, each rendered once as it is and once with the effect's options changed, so
 * the target is exact and nothing but the effect differs. Unlimited, deterministic, no network, no weights.
 *
 * Seeds are people. Colours are continuous, so practically no two seeds look alike. Where an effect would show nothing
 * (hair colour on a bald head, glasses on someone who wears some), the input is drawn so that it shows.
 *
 * Needs `@dicebear/core`, `@dicebear/collection` and `@resvg/resvg-js`. Each pair carries its designer's licence.
 *
 * @throws FxError `invalid-argument` for an unknown style or a malformed colour; from `pairs`: `unknown-effect`,
 *   `invalid-argument`, `aborted`, and `missing-package` when a peer is not installed.
 */
export const portraits = ({ style = 'micah', colours = {} }: PortraitsOptions = {}): TeacherAdapter => {
  if (!Object.hasOwn(STYLES, style)) {
    throw new FxError('invalid-argument', `There is no portrait style '${style}'; choose ${listed(portraitStyles)}`, {
      details: { style, known: portraitStyles },
    })
  }
  const towards = checkedColours(colours)
  const { effects, always = {} }: Style = STYLES[style]
  let studio: Promise<Studio> | undefined

  const adapter: TeacherAdapter = {
    specificationVersion: 'v1',
    id: 'portraits',
    version: [REVISION, style, ...Object.values(towards)].join('-'),
    capabilities: {
      deterministic: true,
      pairCount: Number.POSITIVE_INFINITY,
      size: { min: 16, max: 1024 },
      effects: Object.keys(effects),
      parameters: ['strength'],
    },
    async *pairs(request: PairRequest) {
      const { effect, size, seeds, parametersFor, throwIfAborted } = validatePairRequest(adapter, request)
      const id = effect.id as PortraitEffectId
      const recipe = effects[id]!
      checkStrength(effect, recipe)
      studio ??= openStudio(style)
      const { options, licence, render } = await studio
      const colour = recipe.colours && towards[id as ColourEffectId]
      const avoid = Object.fromEntries((recipe.colours ?? []).map(option => [option, colour!]))
      const breathe = breather()
      for (const seed of seeds) {
        await breathe()
        throwIfAborted()
        const parameters = parametersFor(seed)
        const person = drawPerson(seed, style, options, [recipe.input ?? {}, always], avoid)
        const input = render(person, size)
        const pair: TeacherPair = {
          id: `${style}-${id}-${String(seed).padStart(6, '0')}`,
          input,
          target: render(changed(person, recipe, colour, parameters.strength ?? 1), size),
          parameters,
          provenance: {
            teacher: { id: adapter.id, version: adapter.version },
            seed,
            licence,
            extra: { style, ...person.components, ...coloursOf(person) },
          },
        }
        yield pair
      }
    },
  }
  return adapter
}

const checkedColours = (colours: Partial<Record<ColourEffectId, string>>): Record<ColourEffectId, Hex> => {
  const ids = Object.keys(DEFAULT_COLOURS) as ColourEffectId[]
  const unknown = Object.keys(colours).find(id => !ids.includes(id as ColourEffectId))
  if (unknown !== undefined) {
    throw new FxError('invalid-argument', `colours has no '${unknown}'; it may have ${listed(ids)}`)
  }
  return Object.fromEntries(
    ids.map(id => {
      const colour = colours[id] ?? DEFAULT_COLOURS[id]
      if (!/^#[0-9a-f]{6}$/i.test(colour)) {
        throw new FxError('invalid-argument', `colours['${id}'] is '${colour}'; it must look like '#ff2fa0'`)
      }
      return [id, colour.slice(1).toLowerCase()]
    }),
  ) as Record<ColourEffectId, Hex>
}

/** Glasses are on or off; and a colour that is already reached cannot be exceeded. */
const checkStrength = ({ id, parameters }: EffectSpec, { colours }: Recipe): void => {
  const range = parameters.strength
  if (range && !colours) {
    throw new FxError('invalid-argument', `The effect '${id}' of portraits is on or off; it has no strength`)
  }
  if (range && (range.min < 0 || range.max > 1)) {
    throw new FxError(
      'invalid-argument',
      `The strength of '${id}' ranges from ${range.min} to ${range.max}; portraits draw strengths from 0 to 1`,
    )
  }
}

/** The colours of a person as `#rrggbb`, by option: `hairColor`, `skinColor`, `backgroundColor` and the like. */
const coloursOf = ({ colours }: Person): Record<string, string> =>
  Object.fromEntries(Object.entries(colours).map(([option, colour]) => [option, `#${colour}`]))

const changed = (person: Person, { target = {}, colours = [] }: Recipe, to: Hex | undefined, t: number): Person => {
  const result = { components: { ...person.components }, colours: { ...person.colours } }
  for (const [option, value] of Object.entries(target)) {
    if (option.endsWith('Color')) result.colours[option] = value
    else result.components[option] = value
  }
  for (const option of colours) {
    const own = person.colours[option]
    if (own && to) result.colours[option] = blend(own, to, t)
  }
  return result
}
