import type { SeededRandom } from '@fx/core'

/** Six hex digits without `#`, the form that DiceBear takes. */
export type Hex = string

/**
 * A colour in OKLab: lightness 0-1, then green-red and blue-yellow. Straight lines in it look even to the eye.
 * Source: B. Ottosson, "A perceptual color space for image processing" (2020).
 */
type Lab = readonly [number, number, number]

const toLinear = (value: number): number => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
const toGamma = (value: number): number => (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055)

const toLab = (hex: Hex): Lab => {
  const [r, g, b] = [0, 2, 4].map(at => toLinear(Number.parseInt(hex.slice(at, at + 2), 16) / 255)) as [
    number,
    number,
    number,
  ]
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ]
}

/** The nearest sRGB colour by clamping each channel. */
const toHex = ([lightness, a, b]: Lab): Hex => {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ]
    .map(value => Math.round(255 * toGamma(Math.min(1, Math.max(0, value)))))
    .map(value => value.toString(16).padStart(2, '0'))
    .join('')
}

const mix = (a: Lab, b: Lab, t: number): Lab => [
  a[0] + (b[0] - a[0]) * t,
  a[1] + (b[1] - a[1]) * t,
  a[2] + (b[2] - a[2]) * t,
]

/** From one colour (`t` = 0, exactly) to another (`t` = 1, exactly), in even steps for the eye. */
export const blend = (from: Hex, to: Hex, t: number): Hex =>
  t === 0 ? from : t === 1 ? to : toHex(mix(toLab(from), toLab(to), t))

/** Euclidean distance in OKLab of two colours as `rrggbb`; 0.02 is just visible, black to white is 1. */
export const colourDistance = (a: Hex, b: Hex): number => {
  const [x, y] = [toLab(a), toLab(b)]
  return Math.hypot(x[0] - y[0], x[1] - y[1], x[2] - y[2])
}

const HAIR = ['0e0a0a', '2c1b18', '4a312c', '724133', 'a55728', 'b58143', 'd6b370', 'e8d8a8', 'b0a8a4', '8a2f1a'].map(
  toLab,
)
const DYED_HAIR = ['3f8f4f', '2f7f9f', '5a4fc0', 'd8a020'].map(toLab)
const SKIN = ['fde4d0', 'f1c3a5', 'dfa584', 'c68e6a', 'a36b4f', '7a4a30', '50301f'].map(toLab)

const nearby = (random: SeededRandom, [l, a, b]: Lab, spread: number): Lab => [
  l + spread * (2 * random.uniform() - 1),
  a + 0.5 * spread * (2 * random.uniform() - 1),
  b + 0.5 * spread * (2 * random.uniform() - 1),
]

/** Any colour of a lightness and chroma range. */
const ofRange = (random: SeededRandom, lightness: [number, number], chroma: [number, number]): Lab => {
  const hue = 2 * Math.PI * random.uniform()
  const c = chroma[0] + (chroma[1] - chroma[0]) * random.uniform()
  return [lightness[0] + (lightness[1] - lightness[0]) * random.uniform(), c * Math.cos(hue), c * Math.sin(hue)]
}

/** Colours are drawn from continuous ranges, so that no two seeds are the same person in the same clothes. */
export const drawColour = {
  hair: (random: SeededRandom): Hex => {
    const palette = random.uniform() < 0.12 ? DYED_HAIR : HAIR
    return toHex(nearby(random, palette[random.integer(palette.length)]!, 0.04))
  },
  skin: (random: SeededRandom): Hex => {
    const at = random.uniform() * (SKIN.length - 1)
    const lower = Math.floor(at)
    return toHex(nearby(random, mix(SKIN[lower]!, SKIN[lower + 1]!, at - lower), 0.02))
  },
  clothes: (random: SeededRandom): Hex => toHex(ofRange(random, [0.3, 0.9], [0.02, 0.17])),
  frame: (random: SeededRandom): Hex => toHex(ofRange(random, [0.15, 0.35], [0, 0.05])),
  background: (random: SeededRandom): Hex => toHex(ofRange(random, [0.72, 0.97], [0, 0.07])),
}

export type ColourKind = keyof typeof drawColour
