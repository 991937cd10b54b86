/** RGB bytes to opaque RGBA. */
export const toRgba = (rgb: Uint8Array): Uint8ClampedArray<ArrayBuffer> => {
  const rgba = new Uint8ClampedArray((rgb.length / 3) * 4)
  for (let from = 0, to = 0; to < rgba.length; from += 3, to += 4) {
    rgba[to] = rgb[from]!
    rgba[to + 1] = rgb[from + 1]!
    rgba[to + 2] = rgb[from + 2]!
    rgba[to + 3] = 255
  }
  return rgba
}

/** Input value of each byte, so that a pixel costs three look-ups. */
export const inputTable = ([low, high]: readonly [number, number]): Float32Array =>
  Float32Array.from({ length: 256 }, (_, byte) => low + (byte / 255) * (high - low))

/** RGBA bytes to RGB input values; alpha is dropped. */
export const writeInput = (rgba: Uint8ClampedArray, table: Float32Array, values: Float32Array): void => {
  for (let from = 0, to = 0; to < values.length; from += 4, to += 3) {
    values[to] = table[rgba[from]!]!
    values[to + 1] = table[rgba[from + 1]!]!
    values[to + 2] = table[rgba[from + 2]!]!
  }
}

/** Output values to RGBA bytes; alpha, from 0 to 1, is opaque where there is none. The clamped array clamps and rounds. */
export const readOutput = (
  values: Float32Array,
  [low, high]: readonly [number, number],
  channels: 3 | 4,
  rgba: Uint8ClampedArray,
): void => {
  const scale = 255 / (high - low)
  for (let from = 0, to = 0; to < rgba.length; from += channels, to += 4) {
    rgba[to] = (values[from]! - low) * scale
    rgba[to + 1] = (values[from + 1]! - low) * scale
    rgba[to + 2] = (values[from + 2]! - low) * scale
    rgba[to + 3] = channels === 4 ? values[from + 3]! * 255 : 255
  }
}

const context = (width: number, height: number, settings: CanvasRenderingContext2DSettings) => {
  const made = new OffscreenCanvas(width, height).getContext('2d', settings)
  if (made === null) throw new Error('this browser has no 2D context for OffscreenCanvas')
  made.imageSmoothingQuality = 'high'
  return made
}

/** A canvas for pictures of a student's size whose pixels are read, or drawn on the GPU. */
export const inputContext = (width: number, height: number, inMemory: boolean): OffscreenCanvasRenderingContext2D =>
  context(width, height, { alpha: false, willReadFrequently: inMemory })

/** A canvas for a student's results. */
export const outputContext = (width: number, height: number, alpha: boolean): OffscreenCanvasRenderingContext2D =>
  context(width, height, { alpha })
