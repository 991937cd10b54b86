import { seededRandom } from '@fx/core'
import { type ColourKind, colourDistance, drawColour, type Hex } from './colour.js'
import type { Limits } from './styles.js'

/** One portrait: the variant of every component that is shown, and every colour option. */
export interface Person {
  components: Record<string, string>
  colours: Record<string, Hex>
}

/** The part of a DiceBear style's JSON schema that says what may be drawn. */
export type StyleOptions = Readonly<
  Record<string, { items?: { enum?: readonly string[] }; default?: readonly string[] | number }>
>

const COLOUR_KINDS: Record<string, ColourKind> = {
  hairColor: 'hair',
  headContrastColor: 'hair',
  skinColor: 'skin',
  baseColor: 'skin',
  shirtColor: 'clothes',
  clothesColor: 'clothes',
  clothingColor: 'clothes',
  bodyColor: 'clothes',
  hatColor: 'clothes',
  accessoriesColor: 'clothes',
  earringColor: 'clothes',
  glassesColor: 'frame',
  backgroundColor: 'background',
}

/** Own and effect colour at least this far apart (OKLab), else the effect could not be seen. */
const VISIBLE = 0.2

/**
 * The person of a seed. Every choice is drawn from its own stream, named by the option, so a limit on one option
 * leaves the others as they were.
 *
 * @param avoid colour options that must differ clearly from a colour.
 */
export const drawPerson = (
  seed: number,
  style: string,
  options: StyleOptions,
  limits: readonly Limits[],
  avoid: Readonly<Record<string, Hex>>,
): Person => {
  const person: Person = { components: {}, colours: {} }
  for (const [option, { items, default: defaults }] of Object.entries(options)) {
    const random = seededRandom(seed, 'portraits', style, option)
    const only = limits.map(limit => limit.only?.[option]).find(list => list)
    if (option.endsWith('Color')) {
      person.colours[option] = drawUntilVisible(avoid[option], () => {
        const kind = COLOUR_KINDS[option]
        if (kind) return drawColour[kind](random)
        const listed = only ?? (defaults as readonly string[])
        return listed[random.integer(listed.length)]!
      })
    } else if (items?.enum) {
      const variants = (only ?? items.enum).filter(
        name => !limits.some(limit => limit.except?.[option]?.includes(name)),
      )
      const probability = options[`${option}Probability`]?.default ?? 100
      const shown = only !== undefined || random.integer(100) < (probability as number)
      const variant = variants[random.integer(variants.length)]!
      if (shown && !limits.some(limit => limit.absent?.includes(option))) person.components[option] = variant
    }
  }
  const background = seededRandom(seed, 'portraits', style, 'backgroundColor')
  person.colours.backgroundColor = drawUntilVisible(avoid.backgroundColor, () => drawColour.background(background))
  // A beard grows in the colour of the hair: the student can see the one and so predict the other.
  if (person.colours.facialHairColor && person.colours.hairColor) {
    person.colours.facialHairColor = person.colours.hairColor
  }
  return person
}

const drawUntilVisible = (avoid: Hex | undefined, draw: () => Hex): Hex => {
  let colour = draw()
  // A palette of one colour would never leave the loop, hence the bound.
  for (let i = 0; avoid && i < 100 && colourDistance(colour, avoid) < VISIBLE; i++) colour = draw()
  return colour
}

/** Every option decided, so that DiceBear's own dice have nothing left to say. */
export const diceBearOptions = (person: Person, options: StyleOptions): Record<string, unknown> => {
  const decided: Record<string, unknown> = { seed: '', backgroundColor: [person.colours.backgroundColor] }
  for (const option of Object.keys(options)) {
    if (option.endsWith('Color')) decided[option] = [person.colours[option]]
    else if (option.endsWith('Probability')) {
      decided[option] = person.components[option.slice(0, -'Probability'.length)] === undefined ? 0 : 100
    } else if (person.components[option] !== undefined) decided[option] = [person.components[option]]
  }
  return decided
}
