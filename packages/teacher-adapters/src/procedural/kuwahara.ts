import { FxError, numberIn } from '@fx/core'
import type { RgbImage } from '../contract/types.js'
import { checkRgbImage } from '../image/rgb.js'
import { edgeFlow } from './structure-tensor.js'

/** Raised whenever the same picture would be painted otherwise. */
export const KUWAHARA_REVISION = 1

/** An image with any values, HWC, RGB. The filter's options mean values from 0 to 255. */
export interface FloatImage {
  width: number
  height: number
  data: Float32Array
}

export interface KuwaharaOptions {
  /** Of the brush, pixels, 1 to 64. Along edges it becomes an ellipse of the same area. Default 8. */
  radius?: number
  /** How decidedly the calmest sector wins, `q` of the paper, 1 to 32. Default 8. */
  sharpness?: number
  /** Deviation of a sector, of 255, below which all count about alike, 0.1 to 255. Default 16. */
  threshold?: number
  /** `alpha` of the paper, 0.1 to 1000: 1 stretches the brush up to 2 times, greater values less. Default 1. */
  eccentricity?: number
  /** Sigma of the Gaussian that smooths the direction of edges, pixels, 0 to 32. Default 2. */
  smoothing?: number
  /** 0 is the picture itself, 1 the painting, between them their mixture. Default 1. */
  strength?: number
}

const SECTORS = 8
/** Width of a sector: its weight is `(x + overlap - narrowing * y^2)^2` where that is positive. */
const overlap = 1 / 3
const reach = (3 * Math.PI) / 8
const narrowing = (overlap + Math.cos(reach)) / Math.sin(reach) ** 2
/** Falls to a twentieth at the rim of the brush. */
const FALLOFF = 3.125
const cosines = Float64Array.from({ length: SECTORS }, (_, i) => Math.cos((2 * Math.PI * i) / SECTORS))
const sines = Float64Array.from({ length: SECTORS }, (_, i) => Math.sin((2 * Math.PI * i) / SECTORS))

/** The samples of one sector: weight, weighted colours, weighted sum of their squares. */
const SUMS = 5

/**
 * Paints a picture: the anisotropic Kuwahara filter. Around each pixel lies an ellipse that follows the edges, cut into
 * eight overlapping sectors; the pixel becomes the mean of the sectors' mean colours, each weighted by how little its
 * colours vary. So texture is wiped into strokes along the edges, and edges stay sharp. Pixels beyond the border do not
 * count. Slow: a second for 256 x 256.
 *
 * Source: Kyprianidis, Kang and Döllner, "Image and Video Abstraction by Anisotropic Kuwahara Filtering" (2009); the
 * sectors' polynomial weights are those of Kyprianidis, Semmo, Kang and Döllner, "Anisotropic Kuwahara Filtering with
 * Polynomial Weighting Functions" (2010).
 *
 * @returns a new image of the same kind.
 * @throws FxError `invalid-argument` for an option out of its range, `shape-mismatch` for data that do not fit the size.
 */
export const anisotropicKuwahara = <T extends RgbImage | FloatImage>(image: T, options: KuwaharaOptions = {}): T => {
  const { radius, sharpness, threshold, eccentricity, smoothing, strength } = checkKuwaharaOptions(options)
  const { width, height } = checkImage(image)
  const data = Float64Array.from(image.data)
  const flow = edgeFlow(data, width, height, smoothing)
  const painted = image.data.slice()
  const sums = new Float64Array(SECTORS * SUMS)
  const weights = new Float64Array(SECTORS)

  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x
      const [cos, sin] = [flow.cos[at]!, flow.sin[at]!]
      const stretch = (eccentricity + flow.anisotropy[at]!) / eccentricity
      const [long, short] = [radius * stretch, radius / stretch]
      const wide = Math.floor(Math.sqrt((long * cos) ** 2 + (short * sin) ** 2))
      const high = Math.floor(Math.sqrt((long * sin) ** 2 + (short * cos) ** 2))

      sums.fill(0)
      for (let row = Math.max(0, y - high); row <= Math.min(height - 1, y + high); row++) {
        for (let column = Math.max(0, x - wide); column <= Math.min(width - 1, x + wide); column++) {
          const dx = column - x
          const dy = row - y
          const u = (dx * cos + dy * sin) / long
          const v = (dy * cos - dx * sin) / short
          const distance = u * u + v * v
          if (distance > 1) continue
          let total = 0
          for (let sector = 0; sector < SECTORS / 2; sector++) {
            const along = u * cosines[sector]! + v * sines[sector]!
            const across = v * cosines[sector]! - u * sines[sector]!
            const margin = overlap - narrowing * across * across
            const here = margin + along
            const opposite = margin - along
            weights[sector] = here > 0 ? here * here : 0
            weights[sector + SECTORS / 2] = opposite > 0 ? opposite * opposite : 0
            total += weights[sector]! + weights[sector + SECTORS / 2]!
          }
          const pixel = (row * width + column) * 3
          const r = data[pixel]!
          const g = data[pixel + 1]!
          const b = data[pixel + 2]!
          const squares = r * r + g * g + b * b
          const near = Math.exp(-FALLOFF * distance) / total
          for (let sector = 0; sector < SECTORS; sector++) {
            if (weights[sector] === 0) continue
            const weight = weights[sector]! * near
            const sum = sector * SUMS
            sums[sum] = sums[sum]! + weight
            sums[sum + 1] = sums[sum + 1]! + weight * r
            sums[sum + 2] = sums[sum + 2]! + weight * g
            sums[sum + 3] = sums[sum + 3]! + weight * b
            sums[sum + 4] = sums[sum + 4]! + weight * squares
          }
        }
      }

      let [total, red, green, blue] = [0, 0, 0, 0]
      for (let sum = 0; sum < sums.length; sum += SUMS) {
        const weight = sums[sum]!
        if (weight === 0) continue
        const [r, g, b] = [sums[sum + 1]! / weight, sums[sum + 2]! / weight, sums[sum + 3]! / weight]
        const variance = Math.max(0, sums[sum + 4]! / weight - r * r - g * g - b * b)
        const calm = 1 / (1 + (variance / threshold ** 2) ** (sharpness / 2))
        total += calm
        red += calm * r
        green += calm * g
        blue += calm * b
      }
      const mixed = [red / total, green / total, blue / total] as const
      for (let channel = 0; channel < 3; channel++) {
        const own = data[at * 3 + channel]!
        const value = own + strength * (mixed[channel]! - own)
        painted[at * 3 + channel] = painted instanceof Uint8Array ? Math.round(value) : value
      }
    }
  }
  return { ...image, data: painted }
}

const checkImage = (image: RgbImage | FloatImage): RgbImage | FloatImage => {
  const { width, height, data } = image
  if (!(data instanceof Float32Array)) return checkRgbImage(image as RgbImage)
  if (data.length === width * height * 3) return image
  throw new FxError(
    'shape-mismatch',
    `The image is ${width}x${height} and needs ${width * height * 3} values (HWC, RGB); it has ${data.length}`,
  )
}

/** The options with their defaults. @throws FxError `invalid-argument` for one out of its range. */
export const checkKuwaharaOptions = (options: KuwaharaOptions): Required<KuwaharaOptions> => ({
  radius: numberIn('radius', options.radius ?? 8, 1, 64),
  sharpness: numberIn('sharpness', options.sharpness ?? 8, 1, 32),
  threshold: numberIn('threshold', options.threshold ?? 16, 0.1, 255),
  eccentricity: numberIn('eccentricity', options.eccentricity ?? 1, 0.1, 1000),
  smoothing: numberIn('smoothing', options.smoothing ?? 2, 0, 32),
  strength: numberIn('strength', options.strength ?? 1, 0, 1),
})
