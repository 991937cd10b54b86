import { portraitEffects, portraits } from '@fx/teacher-adapters/portraits'
import { type ImageSource, teacherImages } from '@fx/teacher-adapters/stylegan2/training'
import { EFFECTS, STYLE } from './attributes.js'

/** Endless portraits; every seventh person, about, under each of the effects, so that the generator learns them. */
export const portraitImages = (): ImageSource =>
  teacherImages(portraits({ style: STYLE }), {
    input: portraitEffects.background,
    targets: EFFECTS.map(id => ({ effect: portraitEffects[id], chance: 0.14 })),
  })
