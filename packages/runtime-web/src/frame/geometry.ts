import type { EffectBundleManifest } from '@fx/core'

/** A rectangle in source pixels. */
export interface Rectangle {
  x: number
  y: number
  width: number
  height: number
}

/** The part of a `width` x `height` frame that becomes the student's input. */
export const cropRectangle = (crop: EffectBundleManifest['crop'], width: number, height: number): Rectangle => {
  if (crop === 'stretch') return { x: 0, y: 0, width, height }
  const side = Math.min(width, height)
  return { x: (width - side) / 2, y: (height - side) / 2, width: side, height: side }
}
