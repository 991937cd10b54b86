/** RGB bytes to RGBA with full alpha. */
export const rgbToRgba = (rgb: Uint8Array): Uint8ClampedArray<ArrayBuffer> => {
  const rgba = new Uint8ClampedArray((rgb.length / 3) * 4)
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
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

/** RGB output values to opaque RGBA bytes. The clamped array clamps and rounds. */
export const readOutput = (
  values: Float32Array,
  [low, high]: readonly [number, number],
  rgba: Uint8ClampedArray,
): void => {
  const scale = 255 / (high - low)
  for (let from = 0, to = 0; from < values.length; from += 3, to += 4) {
    rgba[to] = (values[from]! - low) * scale
    rgba[to + 1] = (values[from + 1]! - low) * scale
    rgba[to + 2] = (values[from + 2]! - low) * scale
    rgba[to + 3] = 255
  }
}
