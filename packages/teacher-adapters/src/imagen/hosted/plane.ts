import type { RgbImage } from '../../contract/types.js'
import type { Frame } from './resample.js'

/** Differences count up to this: what was edited must not outweigh what was not. */
const CAP = 20

/** One channel: luminance without its broad parts, so that another light or tone does not count as movement. */
export interface Plane {
  width: number
  height: number
  values: Float32Array
}

export const planeOf = ({ width, height, data }: RgbImage): Plane => {
  const light = Float32Array.from({ length: width * height }, (_, i) => {
    const [r, g, b] = [data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!]
    return 0.299 * r + 0.587 * g + 0.114 * b
  })
  const radius = Math.max(1, Math.round(Math.min(width, height) / 8))
  const blurred = transposedBlur(transposedBlur(light, width, height, radius), height, width, radius)
  return { width, height, values: light.map((value, i) => value - blurred[i]!) }
}

/** Box blur of the rows, written as columns. */
const transposedBlur = (values: Float32Array, width: number, height: number, radius: number): Float32Array => {
  const result = new Float32Array(values.length)
  for (let y = 0; y < height; y++) {
    const at = (x: number) => values[y * width + Math.min(width - 1, Math.max(0, x))]!
    let sum = 0
    for (let x = -radius; x <= radius; x++) sum += at(x)
    for (let x = 0; x < width; x++) {
      result[x * height + y] = sum / (2 * radius + 1)
      sum += at(x + radius + 1) - at(x - radius)
    }
  }
  return result
}

/** For each of `count` positions from `start` on: the pixel before it and how far beyond it lies; -1 outside. */
const positions = (start: number, length: number, count: number, limit: number) => {
  const before = new Int32Array(count)
  const beyond = new Float32Array(count)
  for (let i = 0; i < count; i++) {
    const at = start + ((i + 0.5) * length) / count - 0.5
    const pixel = Math.floor(at)
    before[i] = at < 0 || pixel + 1 >= limit ? -1 : pixel
    beyond[i] = at - pixel
  }
  return { before, beyond }
}

/** What the frame shows of the answer, as many pixels as the input has; NaN where there is nothing of it. */
export const seen = ({ width, height, values }: Plane, frame: Frame, side: number): Float32Array => {
  const columns = positions(frame.left, frame.width, side, width)
  const rows = positions(frame.top, frame.height, side, height)
  const result = new Float32Array(side * side)
  for (let y = 0; y < side; y++) {
    const row = rows.before[y]! * width
    const fy = rows.beyond[y]!
    for (let x = 0; x < side; x++) {
      const p = row + columns.before[x]!
      const fx = columns.beyond[x]!
      const above = values[p]! + fx * (values[p + 1]! - values[p]!)
      const below = values[p + width]! + fx * (values[p + width + 1]! - values[p + width]!)
      result[y * side + x] = row < 0 || columns.before[x]! < 0 ? Number.NaN : above + fy * (below - above)
    }
  }
  return result
}

/** Mean capped difference between the input and what the frame shows of the answer, where that is. */
export const mismatch = (input: Plane, answer: Plane, frame: Frame, counts: Uint8Array | undefined): number => {
  const shown = seen(answer, frame, input.width)
  let sum = 0
  let count = 0
  for (let i = 0; i < shown.length; i++) {
    const difference = Math.abs(shown[i]! - input.values[i]!)
    if (Number.isNaN(difference) || (counts && counts[i] === 0)) continue
    sum += difference < CAP ? difference : CAP
    count++
  }
  return count > 0 ? sum / count : CAP
}

/** Of two planes, whose mean is about 0. A flat input is like everything. */
export const correlation = (input: Plane, shown: Float32Array, counts: Uint8Array | undefined): number => {
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < shown.length; i++) {
    const a = input.values[i]!
    const b = shown[i]!
    if (Number.isNaN(b) || (counts && counts[i] === 0)) continue
    ab += a * b
    aa += a * a
    bb += b * b
  }
  return aa < shown.length ? 1 : ab / Math.sqrt(aa * bb || 1)
}
