import type { EffectBundleManifest } from '@fx/core'
import type { Size } from './frame.js'

/** The sizes of a bundle's students, the largest first. */
export const studentSizes = ({ input, model }: EffectBundleManifest): Size[] =>
  [input, ...(model.smaller ?? [])].map(({ width, height }) => ({ width, height }))
