import { FxError, numberIn, oneOf, shown } from '@fx/core'
import type * as tf from '@tensorflow/tfjs-core'
import type { Sampler } from '../diffusion/sampler.js'
import { type Condition, guidedBy } from './guidance.js'
import { type PredictedMaskOptions, resolvePredictedMask } from './mask.js'

const strengthMappings = ['interpolation', 'guidance', 'sdedit'] as const
/**
 * What the strength of an effect is, inside:
 *
 * - `interpolation`: the share of the target's prompt in the prediction, the rest being the input's prompt;
 * - `guidance`: how far the target's guidance rises from 1 to the stage's own;
 * - `sdedit`: the share of the method's `strength`, that is, how much noise the edit begins with.
 */
export type StrengthMapping = (typeof strengthMappings)[number]

/** How the target of a pair is made of its input. */
export type EditMethod =
  | {
      /**
       * Both pictures come from the same noise under two prompts.
       *
       * Source: Brooks et al., "InstructPix2Pix: learning to follow image editing instructions", CVPR 2023, section 3.1.
       */
      kind: 'shared-noise'
      /** Share of the base stage's steps, from the first, that both have in common: more keeps more of the layout. Default 0. */
      shared?: number
      /**
       * Pixels that the base stage left as they were, give or take so much (0-255), stay the input's own at every
       * resolution. Default false.
       */
      keepUnchanged?: number | false
    }
  | {
      /**
       * The input, under noise, is denoised with the target's prompt.
       *
       * Source: Meng et al., "SDEdit: guided image synthesis and editing with stochastic differential equations", ICLR 2022.
       */
      kind: 'sdedit'
      /** Share of the steps that are taken again: low keeps the geometry. Default 0.6. */
      strength?: number
      /** As for `shared-noise`. */
      keepUnchanged?: number | false
    }
  | {
      /** Only the pixels of a mask are made anew; the others stay exactly the input's. */
      kind: 'inpaint'
      /** As for `sdedit`. Default 1: the mask's old content is forgotten. */
      strength?: number
      /** How the mask is found, when none is given. */
      mask?: PredictedMaskOptions
    }

export type ResolvedEditMethod =
  | { kind: 'shared-noise'; shared: number; keepUnchanged: number | false }
  | { kind: 'sdedit'; strength: number; keepUnchanged: number | false }
  | { kind: 'inpaint'; strength: number; mask: Required<PredictedMaskOptions> }

/**
 * A method with its defaults.
 *
 * @throws FxError `invalid-argument`.
 */
export const resolveEditMethod = (method: EditMethod): ResolvedEditMethod => {
  const { kind } = method
  oneOf('imagen: method', kind, ['shared-noise', 'sdedit', 'inpaint'])
  if (kind === 'inpaint') {
    const strength = numberIn('imagen: method.strength', method.strength ?? 1, 0, 1)
    return { kind, strength, mask: resolvePredictedMask(method.mask ?? {}) }
  }
  const keepUnchanged = method.keepUnchanged ?? false
  if (keepUnchanged !== false) numberIn('imagen: method.keepUnchanged', keepUnchanged, 0, 255)
  return kind === 'sdedit'
    ? { kind, keepUnchanged, strength: numberIn('imagen: method.strength', method.strength ?? 0.6, 0, 1) }
    : { kind, keepUnchanged, shared: numberIn('imagen: method.shared', method.shared ?? 0, 0, 1) }
}

/** How the strength of each image acts. */
export interface EditStrength {
  mapping: StrengthMapping
  values: readonly number[]
}

/** Beyond this there are only artefacts. */
const MOST_STRENGTH = 10

/**
 * @throws FxError `invalid-argument` for a mapping that the method does not have, a strength out of range, and strengths
 *   that differ where the whole batch must begin at one step.
 */
export const checkEditStrength = (
  method: ResolvedEditMethod,
  { mapping, values }: EditStrength,
  count: number,
): void => {
  if (values.length !== count) {
    throw new FxError('invalid-argument', `imagen: ${values.length} strengths for ${count} images`)
  }
  oneOf('imagen: strength mapping', mapping, strengthMappings)
  if (mapping === 'sdedit' && method.kind === 'shared-noise') {
    throw new FxError(
      'invalid-argument',
      "imagen: the strength mapping 'sdedit' needs the method 'sdedit' or 'inpaint'",
    )
  }
  for (const value of values) numberIn('imagen: strength', value, 0, mapping === 'sdedit' ? 1 : MOST_STRENGTH)
  if (mapping === 'sdedit' && values.some(value => value !== values[0])) {
    throw new FxError(
      'invalid-argument',
      `imagen: images of one 'sdedit' batch have one strength, got ${shown(values)}`,
    )
  }
}

/** Index of the first step that an edit takes; rounded as in diffusers' image-to-image pipelines. */
export const firstStep = (
  method: ResolvedEditMethod,
  { timesteps }: Pick<Sampler, 'timesteps'>,
  strength?: EditStrength,
): number => {
  const steps = timesteps.length
  if (method.kind === 'shared-noise') return Math.round(method.shared * steps)
  const share = method.strength * (strength?.mapping === 'sdedit' ? (strength.values[0] ?? 1) : 1)
  // A hair more, so that 0.6 of 5 steps is 3.
  return steps - Math.floor(steps * share + 1e-9)
}

/** What a stage is told of the two prompts. */
export const editConditions = (
  guidance: number,
  prompts: { before: tf.Tensor3D; text: tf.Tensor3D; negative: tf.Tensor3D | undefined },
  { mapping, values }: EditStrength,
): Condition[] => {
  const { before, text, negative } = prompts
  const once = values.map(() => 1)
  if (mapping === 'interpolation') {
    const both = [
      { text: before, shares: values.map(value => 1 - value) },
      { text, shares: values },
    ]
    return guidedBy(
      values.map(() => guidance),
      both,
      negative,
    )
  }
  const weights = values.map(value => (mapping === 'guidance' ? 1 + (guidance - 1) * value : guidance))
  return guidedBy(weights, [{ text, shares: once }], negative)
}
