import { seededRandom } from '@fx/core'
import { portraitEffects, portraits } from '@fx/teacher-adapters/portraits'
import type { ImageSource, TrainingImage } from '@fx/teacher-adapters/stylegan2/training'
import { type FullPortraitLook, portraitCaption, saidOf } from '../src/captions.js'
import { EFFECTS, STYLE } from './attributes.js'
import { lookOf } from './portrait-look.js'

/** Raised whenever an index would give another picture or caption. */
const REVISION = 1

/** A training image with all that its caption might have said. */
interface CaptionedPortrait extends TrainingImage {
  caption: string
  look: FullPortraitLook
}

interface CaptionedPortraitSource extends ImageSource {
  load(indices: readonly number[], resolution: number): Promise<CaptionedPortrait[]>
}

/**
 * Endless portraits with captions. Every index is a person; every second one, by chance, under an effect: glasses, or a
 * colour at full strength four times of five and else at part of it. About 700 a second on one core, whatever their
 * size, so nothing is kept.
 */
export const captionedPortraits = (): CaptionedPortraitSource => {
  const teacher = portraits({ style: STYLE })
  const portrait = async (index: number, size: number): Promise<CaptionedPortrait> => {
    const random = seededRandom(index, 'captioned')
    const edited = random.uniform() < 0.5
    const effect = EFFECTS[random.integer(EFFECTS.length)]!
    const strength = random.uniform() < 0.8 ? 1 : 0.2 + 0.6 * random.uniform()
    const parameters = edited && effect !== 'glasses' ? { strength } : 'default'
    // Without an effect the pair is of the one that asks nothing of its input.
    const request = {
      effect: portraitEffects[edited ? effect : 'background'],
      size,
      seeds: [index],
      parameters,
    } as const
    for await (const pair of teacher.pairs(request)) {
      const look = lookOf(pair, effect, edited)
      return { ...(edited ? pair.target : pair.input), look, caption: portraitCaption(saidOf(look, index)) }
    }
    throw new Error('A teacher without end gave no pair')
  }
  return {
    id: `captioned portraits ${teacher.version} ${REVISION}`,
    count: Number.POSITIVE_INFINITY,
    load: (indices, resolution) => Promise.all(indices.map(index => portrait(index, resolution))),
  }
}
