import { type EffectSpec, FxError, numberIn, oneOf } from '@fx/core'
import type { RgbImage } from '../../contract/types.js'
import { type AlignmentOptions, judgeAlignment, resolveAlignment } from '../../image/alignment.js'
import type { HostedRecord } from './cache.js'
import { decodeAnswer } from './decode.js'
import { HOSTED_FAILURES, type HostedFailure, Refused } from './options.js'
import type { PromptTemplate } from './prompt.js'
import { type Registered, register } from './registration.js'
import { type Asked, pixelHash } from './service.js'
import { bytesOf, type ServiceMask } from './wire.js'

/** A mask of one's own. */
export interface DrawnMask {
  /** Changes when the same image would get another mask. */
  version: string
  /** Row by row, a value for each pixel: 0 stays as it is, 255 may change, between is a soft border. */
  of(image: RgbImage, index: number): Uint8Array | Promise<Uint8Array>
}

export type EditMask = DrawnMask | ServiceMask

/** What an image source says of an image that it could not give, as `hostedImages` does. */
export const refusedBySource = (error: unknown): HostedFailure | undefined => {
  const reason = FxError.isInstance(error, 'service-failed') ? error.details.refused : undefined
  return HOSTED_FAILURES.find(known => known === reason)
}

/** @throws FxError `invalid-argument`. */
export const maskOf = (
  what: string,
  api: 'gemini' | 'vertex-predict',
  mask: EditMask | undefined,
): { drawn?: DrawnMask; found?: ServiceMask; version: unknown } | undefined => {
  if (!mask) return undefined
  if ('of' in mask) {
    if (typeof mask.of === 'function' && typeof mask.version === 'string') return { drawn: mask, version: mask.version }
    throw new FxError('invalid-argument', `${what}: mask must have a version and a function of`)
  }
  if (api === 'gemini') {
    throw new FxError(
      'invalid-argument',
      `${what}: generateContent finds no masks; give one as { version, of }, or api: 'vertex-predict'`,
    )
  }
  oneOf(`${what}: mask.mode`, mask.mode, ['foreground', 'background', 'semantic'])
  return { found: mask, version: mask }
}

/** What to ask of the service for a photograph, and where the answer may differ from it. */
export const questionOf = async ({
  seed,
  image,
  effect,
  parameters,
  template,
  mask,
  api,
}: {
  seed: number
  image: RgbImage
  effect: EffectSpec
  parameters: Record<string, number>
  template: PromptTemplate
  mask: ReturnType<typeof maskOf>
  api: 'gemini' | 'vertex-predict'
}): Promise<Asked & { changes?: Uint8Array }> => {
  const { width, height } = image
  const changes = await mask?.drawn?.of(image, seed)
  if (changes && !(changes instanceof Uint8Array && changes.length === width * height)) {
    throw new FxError(
      'shape-mismatch',
      `The mask of image ${seed} has ${changes.length} values; it needs a Uint8Array of ${width * height}`,
    )
  }
  const drawn = changes && {
    width,
    height,
    data: Uint8Array.from({ length: 3 * changes.length }, (_, i) => changes[Math.floor(i / 3)]!),
  }
  // generateContent takes no mask: there it only says which pixels of the answer count.
  const sent = api === 'vertex-predict' ? (drawn ?? mask?.found) : undefined
  return {
    label: `image ${seed}`,
    identity: {
      input: pixelHash(image),
      ...(sent && { mask: 'mode' in sent ? sent : pixelHash(sent) }),
    },
    prompt: template.render(effect, parameters),
    ...(api === 'vertex-predict' && effect.negativePrompt && { negativePrompt: effect.negativePrompt }),
    image,
    ...(sent && { mask: sent }),
    ...(changes && { changes }),
  }
}

export interface HostedAlignmentOptions extends AlignmentOptions {
  /**
   * The least correlation of the structures of photograph and edit (luminance without its broad parts): 1 for the same
   * picture, about 0 for another one. Default 0.4.
   */
  minLikeness?: number
}

/** @throws FxError `invalid-argument`. */
export const resolveHostedAlignment = ({
  minLikeness = 0.4,
  ...options
}: HostedAlignmentOptions): Required<HostedAlignmentOptions> => ({
  ...resolveAlignment(options),
  minLikeness: numberIn('alignment: minLikeness', minLikeness, -1, 1),
})

/** An accepted edit at the photograph's size. */
export interface Edited {
  target: RgbImage
  /** For the provenance: where in the answer the photograph lay, and the alignment scores. */
  facts: Record<string, number>
}

/**
 * The first of an answer's images that makes a pair with the photograph.
 *
 * @throws Refused; FxError `missing-package`.
 */
export const editOf = async (
  image: RgbImage,
  { images }: HostedRecord,
  alignment: Required<HostedAlignmentOptions> | false,
  changes: Uint8Array | undefined,
): Promise<Edited> => {
  const refusals: Refused[] = []
  for (const [candidate, { data }] of images.entries()) {
    try {
      const unchanged = changes && ((x: number, y: number) => changes[y * image.width + x] === 0)
      const registered = register(image, await decodeAnswer(bytesOf(data)), unchanged)
      const scores = alignment && checkAlignment(image, registered, alignment)
      const { shiftX, shiftY, zoomX, zoomY } = registered
      return {
        target: changes ? composite(image, registered.image, changes) : registered.image,
        facts: { ...(images.length > 1 && { candidate }), shiftX, shiftY, zoomX, zoomY, ...scores },
      }
    } catch (error) {
      if (FxError.isInstance(error, 'corrupt-file')) refusals.push(new Refused('unreadable', error.message))
      else if (error instanceof Refused) refusals.push(error)
      else throw error
    }
  }
  throw refusals[0]!
}

/** Judged before a mask hides what else was painted: if that moved, so did what is under the mask. */
const checkAlignment = (
  image: RgbImage,
  { image: target, likeness }: Registered,
  { minLikeness, ...limits }: Required<HostedAlignmentOptions>,
) => {
  const refuse = (reason: HostedFailure, limit: string, allowed: number, score: number): never => {
    throw new Refused(reason, `The alignment filter refused the edit: ${limit} is ${allowed}, the score was ${score}`)
  }
  if (likeness < minLikeness) refuse('misaligned', 'minLikeness', minLikeness, likeness)
  const { scores, broken } = judgeAlignment(image, target, limits)
  if (broken) {
    const reason = broken.limit === 'minChanged' ? 'unchanged' : 'misaligned'
    refuse(reason, broken.limit, limits[broken.limit], broken.score)
  }
  return { ...scores, likeness }
}

const composite = (below: RgbImage, above: RgbImage, alpha: Uint8Array): RgbImage => ({
  ...below,
  data: below.data.map((value, i) => {
    const share = alpha[Math.floor(i / 3)]! / 255
    return Math.round(value + share * (above.data[i]! - value))
  }),
})

/** Between the input (0) and its edit (1). */
export const crossFade = (input: RgbImage, edit: RgbImage, strength: number): RgbImage => ({
  ...input,
  data: input.data.map((value, i) => Math.round(value + strength * (edit.data[i]! - value))),
})

/** A cross-fade goes from the input to the edit. */
export const checkFade = (effect: EffectSpec): void => {
  const range = effect.parameters.strength
  if (!range || (range.min >= 0 && range.max <= 1 && range.max > 0)) return
  throw new FxError(
    'invalid-argument',
    `The strength of '${effect.id}' ranges from ${range.min} to ${range.max}; a hosted model's edits are faded in from 0 to 1, unless the prompt names {strength}`,
    { details: { min: range.min, max: range.max } },
  )
}
