import type { RgbImage } from '../contract/types.js'

/** Tiles along each side. */
const TILES = 4
/** How far a tile's content is looked for, pixels each way. */
const REACH = 2
/** Differences count up to this: what was edited must not outweigh what was not. */
const CAP = 40
/** A tile has texture when moving it by a pixel changes it by this much on average, 0-255. */
const TEXTURE = 2
/** Content has moved when elsewhere it matches with less than this share of the error here... */
const BETTER = 0.6
/** ...and the error here is at least this, 0-255. */
const LEAST_ERROR = 1.5

interface Tile {
  left: number
  top: number
  right: number
  bottom: number
}

/** Mean capped difference between a tile of `a` and `b` displaced by (dx, dy), where both exist. */
const mismatch = (a: RgbImage, b: RgbImage, { left, top, right, bottom }: Tile, dx: number, dy: number): number => {
  const { width, height } = a
  let [sum, count] = [0, 0]
  for (let y = Math.max(top, -dy); y < Math.min(bottom, height - dy); y++) {
    for (let x = Math.max(left, -dx); x < Math.min(right, width - dx); x++) {
      const [p, q] = [3 * (y * width + x), 3 * ((y + dy) * width + x + dx)]
      for (let c = 0; c < 3; c++) sum += Math.min(CAP, Math.abs(a.data[p + c]! - b.data[q + c]!))
      count += 3
    }
  }
  return count > 0 ? sum / count : 0
}

/** Content that moved is found both ways; something that came or went is new in one of them wherever it is sought. */
const bothWays = (before: RgbImage, after: RgbImage, tile: Tile, dx: number, dy: number): number =>
  (mismatch(before, after, tile, dx, dy) + mismatch(after, before, tile, -dx, -dy)) / 2

const steps = Array.from({ length: (2 * REACH + 1) ** 2 }, (_, i) => [
  (i % (2 * REACH + 1)) - REACH,
  Math.floor(i / (2 * REACH + 1)) - REACH,
]).filter(([dx, dy]) => dx !== 0 || dy !== 0) as [number, number][]

const hasTexture = (image: RgbImage, tile: Tile): boolean =>
  (mismatch(image, image, tile, 1, 0) + mismatch(image, image, tile, 0, 1)) / 2 >= TEXTURE

const hasMoved = (before: RgbImage, after: RgbImage, tile: Tile): boolean => {
  const here = bothWays(before, after, tile, 0, 0)
  return here >= LEAST_ERROR && steps.some(([dx, dy]) => bothWays(before, after, tile, dx, dy) < BETTER * here)
}

/**
 * Of the 4 x 4 tiles with texture, the share whose content lies one or two pixels aside in the other image. Block
 * matching with a robust error: an edit in place raises the error of every displacement, a movement that of all but one.
 */
export const movedShare = (before: RgbImage, after: RgbImage): number => {
  const { width, height } = before
  const edge = (length: number, i: number) => Math.round((length * i) / TILES)
  const tiles = Array.from({ length: TILES ** 2 }, (_, i): Tile => {
    const [column, row] = [i % TILES, Math.floor(i / TILES)]
    return {
      left: edge(width, column),
      right: edge(width, column + 1),
      top: edge(height, row),
      bottom: edge(height, row + 1),
    }
  }).filter(tile => hasTexture(before, tile))
  return tiles.length > 0 ? tiles.filter(tile => hasMoved(before, after, tile)).length / tiles.length : 0
}
