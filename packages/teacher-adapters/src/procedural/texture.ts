import type { SeededRandom } from '@fx/core'

/** Side of a texture, texels; it repeats. A power of two, so that every octave of the noise tiles. */
const SIDE = 128

/** A pattern without edges of its own: mean 0, deviation 1. */
export interface Texture {
  /** The value at a place, in texels, interpolated between the four around it. */
  at(x: number, y: number): number
}

const smooth = (t: number): number => t * t * (3 - 2 * t)

/**
 * Noise whose power falls with frequency as `1 / f^slope`: octaves of value noise, each of half the grid of the one before
 * and of an amplitude that the slope tells (in two dimensions an octave's share of the variance goes as `f^(2 - slope)`).
 */
export const noiseTexture = (random: SeededRandom, slope: number): Texture => {
  const values = new Float32Array(SIDE * SIDE)
  for (let cells = 2; cells <= SIDE; cells *= 2) {
    const amplitude = cells ** ((2 - slope) / 2)
    const grid = Float32Array.from({ length: cells * cells }, () => amplitude * (2 * random.uniform() - 1))
    for (let y = 0; y < SIDE; y++) {
      const row = (y * cells) / SIDE
      const top = Math.floor(row)
      const [upper, lower] = [top * cells, ((top + 1) % cells) * cells]
      const down = smooth(row - top)
      for (let x = 0; x < SIDE; x++) {
        const column = (x * cells) / SIDE
        const left = Math.floor(column)
        const right = (left + 1) % cells
        const across = smooth(column - left)
        const above = grid[upper + left]! + across * (grid[upper + right]! - grid[upper + left]!)
        const below = grid[lower + left]! + across * (grid[lower + right]! - grid[lower + left]!)
        values[y * SIDE + x] = values[y * SIDE + x]! + above + down * (below - above)
      }
    }
  }
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
  for (let i = 0; i < values.length; i++) values[i] = (values[i]! - mean) / deviation
  return {
    at: (x, y) => {
      const [left, top] = [Math.floor(x), Math.floor(y)]
      const [across, down] = [x - left, y - top]
      const x0 = left & (SIDE - 1)
      const x1 = (left + 1) & (SIDE - 1)
      const y0 = (top & (SIDE - 1)) * SIDE
      const y1 = ((top + 1) & (SIDE - 1)) * SIDE
      const above = values[y0 + x0]! + across * (values[y0 + x1]! - values[y0 + x0]!)
      const below = values[y1 + x0]! + across * (values[y1 + x1]! - values[y1 + x0]!)
      return above + down * (below - above)
    },
  }
}
