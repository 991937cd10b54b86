import type { RgbImage } from '../../contract/types.js'
import { correlation, mismatch, planeOf, seen } from './plane.js'
import { centreSquare, type Frame, resample } from './resample.js'

/** Side at which frames are sought coarsely, and then finely, pixels. */
const COARSE = 32
const FINE = 128
/** Another frame than the plain one must match this much better, else nothing moved. */
const BETTER = 0.9
/** How far a frame may reach beyond the answer, as a share of it. */
const BEYOND = 0.05
/** How far the fine search may resize a frame, as a logarithm. */
const RESIZED = 0.1
/** Displacements and sizes that are tried first: shares of the side. */
const SHIFTS = [-3, -2, -1, 0, 1, 2, 3].map(step => step / COARSE)
const ZOOMS = [0.92, 0.96, 1, 1.04, 1.08]
/** The finest step, pixels of the fine picture. */
const FINEST = 1 / 32

/** The rows and columns around an image that have one colour: bars that a service adds to fill its format. */
const withoutBars = (image: RgbImage): Frame => {
  const { width, height, data } = image
  const differs = (p: number): boolean => [0, 1, 2].some(c => Math.abs(data[3 * p + c]! - data[c]!) > 12)
  const rowDiffers = (y: number) => Array.from({ length: width }, (_, x) => y * width + x).some(differs)
  const columnDiffers = (x: number) => Array.from({ length: height }, (_, y) => y * width + x).some(differs)
  const first = (length: number, test: (i: number) => boolean) => {
    for (let i = 0; i < length; i++) if (test(i)) return i
    return 0
  }
  const top = first(height, rowDiffers)
  const left = first(width, columnDiffers)
  const bottom = height - first(height, y => rowDiffers(height - 1 - y))
  const right = width - first(width, x => columnDiffers(width - 1 - x))
  return { left, top, width: right - left, height: bottom - top }
}

const scaled = ({ left, top, width, height }: Frame, factor: number): Frame => ({
  left: left * factor,
  top: top * factor,
  width: width * factor,
  height: height * factor,
})

const reachesOut = ({ left, top, width, height }: Frame, of: { width: number; height: number }): boolean =>
  left < -BEYOND * of.width ||
  top < -BEYOND * of.height ||
  left + width > (1 + BEYOND) * of.width ||
  top + height > (1 + BEYOND) * of.height

const isResized = (frame: Frame, from: Frame): boolean =>
  Math.abs(Math.log(frame.width / from.width)) > RESIZED || Math.abs(Math.log(frame.height / from.height)) > RESIZED

/** The answer at the scale at which its frames have about `side` pixels, and its frames in it. */
const atSide = (answer: RgbImage, side: number) => {
  const factor = side / Math.min(answer.width, answer.height)
  const size = [answer.width, answer.height].map(length => Math.max(2, Math.round(length * factor))) as [number, number]
  const whole = { left: 0, top: 0, width: answer.width, height: answer.height }
  return { plane: planeOf(resample(answer, whole, ...size)), factor }
}

export interface Registered {
  image: RgbImage
  /** Correlation of the structures of input and answer, -1 to 1: about 0 for another picture. */
  likeness: number
  /** Where the input lies in the answer. */
  frame: Frame
  /**
   * How far the picture was displaced (pixels of the input) and magnified in the answer's middle square: 0, 0, 1, 1 where
   * nothing moved.
   */
  shiftX: number
  shiftY: number
  zoomX: number
  zoomY: number
}

/**
 * An answer of any size laid over its square input. Services choose their own size, and redraw a picture a little
 * displaced or larger: the frame of the answer that matches the input best is sought over crops, bars, displacements and
 * sizes, to fractions of a pixel, by luminance with a bounded error. What the answer does not show is the input's.
 *
 * @param unchanged for each pixel of the input whether it should be unchanged; only these are compared. Default: all.
 */
export const register = (
  input: RgbImage,
  answer: RgbImage,
  unchanged?: (x: number, y: number) => boolean,
): Registered => {
  const { width: side } = input
  const fine = Math.min(FINE, side)
  const level = (size: number) => {
    const counts =
      unchanged &&
      Uint8Array.from({ length: size * size }, (_, i) => {
        const [x, y] = [((i % size) + 0.5) / size, (Math.floor(i / size) + 0.5) / size]
        return unchanged(Math.floor(x * side), Math.floor(y * side)) ? 1 : 0
      })
    const whole = { left: 0, top: 0, width: side, height: side }
    const plane = planeOf(resample(input, whole, size, size))
    const { plane: target, factor } = atSide(answer, size)
    return {
      error: (frame: Frame) => mismatch(plane, target, scaled(frame, factor), counts),
      likeness: (frame: Frame) => correlation(plane, seen(target, scaled(frame, factor), size), counts),
    }
  }
  const best = (frames: readonly Frame[], error: (frame: Frame) => number): Frame => {
    const errors = frames.map(error)
    return frames[errors.indexOf(Math.min(...errors))]!
  }

  const square = answer.width === answer.height
  const starts = [
    centreSquare(answer),
    ...(square ? [] : [{ left: 0, top: 0, width: answer.width, height: answer.height }]),
    withoutBars(answer),
  ].filter(({ width, height }) => width >= 8 && height >= 8)
  const { error: fineError, likeness } = level(fine)
  const plain = best(starts, fineError)
  const near = starts.flatMap(({ left, top, width, height }) =>
    ZOOMS.flatMap(zoom =>
      SHIFTS.flatMap(dx =>
        SHIFTS.map(dy => ({
          left: left + dx * width + ((1 - zoom) * width) / 2,
          top: top + dy * height + ((1 - zoom) * height) / 2,
          width: zoom * width,
          height: zoom * height,
        })),
      ),
    ),
  )
  const coarse = best(
    near.filter(frame => !reachesOut(frame, answer)).concat(starts),
    level(Math.min(COARSE, side)).error,
  )
  const found = refine(best([plain, coarse], fineError), fineError, answer, fine)
  const frame = fineError(found) < BETTER * fineError(plain) ? found : plain
  const middle = centreSquare(answer)
  const shift = (start: 'left' | 'top', length: 'width' | 'height') =>
    rounded(((frame[start] + frame[length] / 2 - middle[start] - middle[length] / 2) * side) / middle[length])
  return {
    image: filled(input, resample(answer, frame, side, side), frame, answer),
    likeness: rounded(likeness(frame)),
    frame,
    shiftX: shift('left', 'width'),
    shiftY: shift('top', 'height'),
    zoomX: rounded(frame.width / middle.width),
    zoomY: rounded(frame.height / middle.height),
  }
}

/** Pattern search: moves and resizes a frame while that helps, by ever smaller steps. */
const refine = (start: Frame, error: (frame: Frame) => number, answer: RgbImage, fine: number): Frame => {
  let [frame, least] = [start, error(start)]
  for (let step = 2; step >= FINEST; step /= 2) {
    for (let moved = true; moved; ) {
      moved = false
      const [dx, dy] = [(step * frame.width) / fine, (step * frame.height) / fine]
      const moves: Frame[] = [-1, 1].flatMap(sign => [
        { ...frame, left: frame.left + sign * dx },
        { ...frame, top: frame.top + sign * dy },
        { ...frame, left: frame.left - sign * dx, width: frame.width + 2 * sign * dx },
        { ...frame, top: frame.top - sign * dy, height: frame.height + 2 * sign * dy },
        {
          left: frame.left - sign * dx,
          top: frame.top - sign * dy,
          width: frame.width + 2 * sign * dx,
          height: frame.height + 2 * sign * dy,
        },
      ])
      for (const move of moves) {
        if (reachesOut(move, answer) || isResized(move, start)) continue
        const value = error(move)
        if (value < least) [frame, least, moved] = [move, value, true]
      }
    }
  }
  return frame
}

/** The input's own pixels where the frame reaches beyond the answer. */
const filled = (input: RgbImage, image: RgbImage, frame: Frame, answer: RgbImage): RgbImage => {
  const side = input.width
  const inside = (start: number, length: number, limit: number) =>
    Array.from({ length: side }, (_, i) => {
      const centre = start + ((i + 0.5) * length) / side
      return centre >= 0 && centre <= limit
    })
  const columns = inside(frame.left, frame.width, answer.width)
  const rows = inside(frame.top, frame.height, answer.height)
  if (![...columns, ...rows].includes(false)) return image
  const data = image.data.map((value, i) => {
    const pixel = Math.floor(i / 3)
    return columns[pixel % side] && rows[Math.floor(pixel / side)] ? value : input.data[i]!
  })
  return { ...image, data }
}

const rounded = (value: number): number => Math.round(value * 1e3) / 1e3 + 0
