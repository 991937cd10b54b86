import { integerIn } from '@fx/core'
import type { RgbImage } from '../contract/types.js'

/** Which source pixels a pixel covers, along one axis, and how much of each; the shares add up to 1. */
const cover = (from: number, to: number): { start: number; shares: number[] }[] => {
  const step = from / to
  return Array.from({ length: to }, (_, i) => {
    const [begin, end] = [i * step, (i + 1) * step]
    const start = Math.floor(begin)
    const last = Math.min(from, Math.ceil(end - 1e-9))
    const shares = Array.from({ length: last - start }, (_, k) => {
      const pixel = start + k
      return (Math.min(end, pixel + 1) - Math.max(begin, pixel)) / step
    })
    return { start, shares }
  })
}

/**
 * A square image at a smaller size: each pixel is the mean of the area it covers (box filter).
 *
 * @throws FxError `invalid-argument` for a size above the image's own.
 */
export const downscale = (image: RgbImage, size: number): RgbImage => {
  const { width, data } = image
  if (size === width) return image
  const across = cover(width, integerIn('downscale: size', size, 1, width))
  const narrow = new Float64Array(width * size * 3)
  for (let y = 0; y < width; y++) {
    across.forEach(({ start, shares }, x) => {
      shares.forEach((share, k) => {
        for (let c = 0; c < 3; c++) narrow[3 * (y * size + x) + c]! += share * data[3 * (y * width + start + k) + c]!
      })
    })
  }
  const sums = new Float64Array(size * size * 3)
  across.forEach(({ start, shares }, y) => {
    shares.forEach((share, k) => {
      for (let i = 0; i < 3 * size; i++) sums[3 * y * size + i]! += share * narrow[3 * (start + k) * size + i]!
    })
  })
  return { width: size, height: size, data: Uint8Array.from(sums, Math.round) }
}
