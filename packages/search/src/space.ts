import { canonicalJson, FxError, listed, type SeededRandom, shown } from '@fx/core'
import { encoderFamilies, type MobilenetEncoderOptions, mobilenetEncoder } from '@fx/mobilenet-encoder'
import { type Student, type UnetDecoderOptions, type UnetStudentOptions, unetStudent } from '@fx/unet-student'

type Lists<Options> = { [Name in keyof Options]?: readonly NonNullable<Options[Name]>[] }
type HeadOptions = Pick<UnetStudentOptions, 'head' | 'headActivation' | 'headKernelSize'>

/** What a search may choose from: for any option of encoder, decoder and head, the values to try. Others keep their default. */
export interface StudentSpace extends Lists<HeadOptions> {
  encoder?: Lists<MobilenetEncoderOptions>
  decoder?: Lists<Omit<UnetDecoderOptions, 'batchNormMomentum' | 'batchNormEpsilon'>>
}

/** One student of a space: options of `unetStudent` as plain JSON. */
export interface StudentChoice extends HeadOptions {
  encoder: MobilenetEncoderOptions
  decoder: UnetDecoderOptions
}

/** Every family from narrow to wide, shallow and deep, with every kind of decoder. */
export const defaultSpace: StudentSpace = {
  encoder: { family: encoderFamilies, width: [0.2, 0.25, 0.35, 0.5, 0.7, 1], depth: [0.34, 0.67, 1] },
  decoder: {
    width: [0.25, 0.35, 0.5, 0.7, 1],
    blocks: [0, 1, 2],
    block: ['invertedResidual', 'universalInvertedBottleneck', 'depthwiseSeparable'],
    skip: ['add', 'concat'],
    resolution: ['full', 'half'],
  },
  headKernelSize: [3, 1],
}

const searched = {
  encoder: [
    'family',
    'width',
    'depth',
    'convention',
    'padding',
    'minimalistic',
    'branches',
    'batchNormMomentum',
    'batchNormEpsilon',
  ],
  decoder: ['width', 'channels', 'blocks', 'block', 'expansion', 'squeezeExcite', 'skip', 'upsampling', 'resolution'],
  head: ['head', 'headActivation', 'headKernelSize'],
} as const

interface Dimension {
  part: 'encoder' | 'decoder' | undefined
  name: string
  values: readonly unknown[]
}

const dimensionsOf = (part: Dimension['part'], lists: unknown, allowed: readonly string[]): Dimension[] => {
  const where = part === undefined ? 'space' : `space.${part}`
  if (typeof lists !== 'object' || lists === null || Array.isArray(lists)) {
    throw new FxError('invalid-argument', `${where} must be an object of lists, not ${shown(lists)}`)
  }
  return Object.entries(lists)
    .filter(([, values]) => values !== undefined)
    .map(([name, values]) => {
      if (!allowed.includes(name)) {
        throw new FxError('invalid-argument', `${where} has no option '${name}'; it can have ${listed(allowed)}`)
      }
      if (!Array.isArray(values) || values.length === 0) {
        throw new FxError(
          'invalid-argument',
          `${where}.${name} is ${shown(values)}; it must be a list of at least one value`,
        )
      }
      return { part, name, values }
    })
}

/**
 * The options of a space, each with its values.
 *
 * @throws FxError `invalid-argument` for an option that students do not have, naming those they have, or an empty list.
 */
const dimensions = (space: StudentSpace): Dimension[] => {
  const { encoder = {}, decoder = {}, ...head } = space
  return [
    ...dimensionsOf('encoder', encoder, searched.encoder),
    ...dimensionsOf('decoder', decoder, searched.decoder),
    ...dimensionsOf(undefined, head, [...searched.head, 'encoder', 'decoder']),
  ]
}

/** Different whole numbers from 0 to below `total`, in random order: all of them when they are no more than `count`. */
const drawn = (total: number, count: number, random: SeededRandom): number[] => {
  if (total <= 4 * count) return random.shuffled(Array.from({ length: total }, (_, i) => i)).slice(0, count)
  const numbers = new Set<number>()
  while (numbers.size < count) numbers.add(Math.floor(random.uniform() * total))
  return [...numbers]
}

/**
 * Different students of a space, drawn evenly; all of them, in random order, when there are no more than `count`.
 *
 * @throws FxError `invalid-argument` as `dimensions` does.
 */
export const sampleSpace = (space: StudentSpace, count: number, random: SeededRandom): StudentChoice[] => {
  const all = dimensions(space)
  const total = all.reduce((product, { values }) => product * values.length, 1)
  return drawn(total, count, random).map(number => {
    const choice: Record<string, unknown> & { encoder: Record<string, unknown>; decoder: Record<string, unknown> } = {
      encoder: {},
      decoder: {},
    }
    let rest = number
    for (const { part, name, values } of all) {
      const value = values[rest % values.length]
      rest = Math.floor(rest / values.length)
      if (part === undefined) choice[name] = value
      else choice[part][name] = value
    }
    return choice as StudentChoice
  })
}

/** Every option of a choice by its path: `encoder.width`, `head`. */
export const flatChoice = ({ encoder, decoder, ...head }: StudentChoice): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries({ encoder, decoder, head }).flatMap(([part, options]) =>
      Object.entries(options).map(([name, value]) => [part === 'head' ? name : `${part}.${name}`, value]),
    ),
  )

/** A choice in one line. */
export const choiceText = (choice: StudentChoice): string =>
  Object.entries(flatChoice(choice))
    .map(
      ([name, value]) =>
        `${name.replace(/^encoder\./, '')} ${typeof value === 'string' ? value : canonicalJson(value)}`,
    )
    .join(', ')

/** The student of a choice, with new weights. The caller disposes it. */
export const studentOf = (
  { encoder, decoder, ...head }: StudentChoice,
  options: Pick<UnetStudentOptions, 'inputSize' | 'parameters' | 'seed'>,
): Student => unetStudent({ ...options, encoder: mobilenetEncoder(encoder), decoder, ...head })
