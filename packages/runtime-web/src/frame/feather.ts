import type { Size } from './frame.js'

/** The part of a side over which an edge fades. */
const fadingPart = 1 / 8

/** From 0 at an edge to 1 at `fadingPart` of the side and beyond, smooth at both ends. */
const ramp = (position: number, side: number): number => {
  const distance = Math.min(position + 0.5, side - position - 0.5)
  const t = Math.min(1, distance / (side * fadingPart))
  return t * t * (3 - 2 * t)
}

/** Opaque in the middle, fading to nothing at the four edges: a smoothstep across, times one down. */
export const featherMask = ({ width, height }: Size): OffscreenCanvas => {
  const mask = new ImageData(width, height)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      mask.data[(y * width + x) * 4 + 3] = Math.round(255 * ramp(x, width) * ramp(y, height))
  const canvas = new OffscreenCanvas(width, height)
  canvas.getContext('2d')!.putImageData(mask, 0, 0)
  return canvas
}
