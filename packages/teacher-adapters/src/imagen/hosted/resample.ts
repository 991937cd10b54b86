import type { RgbImage } from '../../contract/types.js'

/** A rectangle in an image's pixels, not necessarily whole: pixel (0, 0) covers 0 to 1. */
export interface Frame {
  left: number
  top: number
  width: number
  height: number
}

/** Keys' cubic convolution with a = -1/2 (1981): exact at its own pixels, no blur, little ringing. */
const cubic = (x: number): number => {
  const t = Math.abs(x)
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1
  return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0
}

interface Tap {
  indices: number[]
  weights: number[]
}

/** For each of `to` pixels over [start, start + length): which of `from` pixels count, and how much. Borders repeat. */
const taps = (from: number, start: number, length: number, to: number): Tap[] => {
  const step = length / to
  // A smaller picture averages over what a pixel covers.
  const stretch = Math.max(1, step)
  return Array.from({ length: to }, (_, i) => {
    const centre = start + (i + 0.5) * step - 0.5
    const indices: number[] = []
    const weights: number[] = []
    for (let p = Math.ceil(centre - 2 * stretch); p <= centre + 2 * stretch; p++) {
      const weight = cubic((p - centre) / stretch)
      if (weight === 0) continue
      indices.push(Math.min(from - 1, Math.max(0, p)))
      weights.push(weight)
    }
    const sum = weights.reduce((total, weight) => total + weight, 0)
    return { indices, weights: weights.map(weight => weight / sum) }
  })
}

/** What lies in the frame of an image, as `width` x `height` pixels. Beyond the image its border goes on. */
export const resample = (image: RgbImage, frame: Frame, width: number, height: number): RgbImage => {
  const across = taps(image.width, frame.left, frame.width, width)
  const down = taps(image.height, frame.top, frame.height, height)
  const narrow = new Float32Array(image.height * width * 3)
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < width; x++) {
      const { indices, weights } = across[x]!
      for (let c = 0; c < 3; c++) {
        let sum = 0
        for (let k = 0; k < indices.length; k++)
          sum += weights[k]! * image.data[3 * (y * image.width + indices[k]!) + c]!
        narrow[3 * (y * width + x) + c] = sum
      }
    }
  }
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    const { indices, weights } = down[y]!
    for (let i = 0; i < 3 * width; i++) {
      let sum = 0
      for (let k = 0; k < indices.length; k++) sum += weights[k]! * narrow[3 * indices[k]! * width + i]!
      data[3 * y * width + i] = Math.min(255, Math.max(0, Math.round(sum)))
    }
  }
  return { width, height, data }
}

/** The largest square in the middle. */
export const centreSquare = ({ width, height }: { width: number; height: number }): Frame => {
  const side = Math.min(width, height)
  return { left: (width - side) / 2, top: (height - side) / 2, width: side, height: side }
}
