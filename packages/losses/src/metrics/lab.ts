/** A colour in CIELAB: lightness in [0, 100], then green to red and blue to yellow. */
export type Lab = readonly [lightness: number, a: number, b: number]

const linear = (value: number): number => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)

/** Linear sRGB to XYZ, IEC 61966-2-1. */
const TO_XYZ = [
  [0.4124564, 0.3575761, 0.1804375],
  [0.2126729, 0.7151522, 0.072175],
  [0.0193339, 0.119192, 0.9503041],
] as const

const CUBE_ROOT_FROM = (6 / 29) ** 3

/**
 * sRGB in [0, 1] to CIELAB under the white of sRGB, D65; values beyond are cut. Greys have exactly a = b = 0.
 *
 * Source: CIE 15:2004, section 8.2.1.
 */
export const labOfSrgb = (red: number, green: number, blue: number): Lab => {
  const [r, g, b] = [red, green, blue].map(value => linear(Math.min(1, Math.max(0, value)))) as [number, number, number]
  const [x, y, z] = TO_XYZ.map(([fromRed, fromGreen, fromBlue]) => {
    const relative = (fromRed * r + fromGreen * g + fromBlue * b) / (fromRed + fromGreen + fromBlue)
    return relative > CUBE_ROOT_FROM ? Math.cbrt(relative) : relative / (3 * (6 / 29) ** 2) + 4 / 29
  }) as [number, number, number]
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)]
}

const DEGREE = Math.PI / 180
const CHROMA_25 = 25 ** 7

/** In [0, 360); 0 for grey. */
const hueOf = (a: number, b: number): number => (a === 0 && b === 0 ? 0 : (Math.atan2(b, a) / DEGREE + 360) % 360)

/**
 * The CIEDE2000 difference of two colours with kL = kC = kH = 1; about 1 is the least that people see.
 *
 * Source: Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula: implementation notes, supplementary test data, and
 * mathematical observations", Color Research and Application 2005, equations 2 to 22.
 */
export const deltaE2000 = ([l1, a1, b1]: Lab, [l2, a2, b2]: Lab): number => {
  const meanChroma = (Math.hypot(a1, b1) + Math.hypot(a2, b2)) / 2
  const stretch = 1.5 - 0.5 * Math.sqrt(meanChroma ** 7 / (meanChroma ** 7 + CHROMA_25))
  const [chroma1, chroma2] = [Math.hypot(stretch * a1, b1), Math.hypot(stretch * a2, b2)]
  const [hue1, hue2] = [hueOf(stretch * a1, b1), hueOf(stretch * a2, b2)]
  // A grey has no hue: it takes the other's.
  const grey = chroma1 * chroma2 === 0

  const apart = hue2 - hue1
  const turn = grey ? 0 : apart > 180 ? apart - 360 : apart < -180 ? apart + 360 : apart
  const lightness = l2 - l1
  const chroma = chroma2 - chroma1
  const hue = 2 * Math.sqrt(chroma1 * chroma2) * Math.sin((turn / 2) * DEGREE)

  const meanLightness = (l1 + l2) / 2
  const meanC = (chroma1 + chroma2) / 2
  const sum = hue1 + hue2
  const meanHue = grey ? sum : Math.abs(apart) <= 180 ? sum / 2 : sum < 360 ? (sum + 360) / 2 : (sum - 360) / 2
  const t =
    1 -
    0.17 * Math.cos((meanHue - 30) * DEGREE) +
    0.24 * Math.cos(2 * meanHue * DEGREE) +
    0.32 * Math.cos((3 * meanHue + 6) * DEGREE) -
    0.2 * Math.cos((4 * meanHue - 63) * DEGREE)
  const offMiddle = (meanLightness - 50) ** 2
  const scaledLightness = lightness / (1 + (0.015 * offMiddle) / Math.sqrt(20 + offMiddle))
  const scaledChroma = chroma / (1 + 0.045 * meanC)
  const scaledHue = hue / (1 + 0.015 * meanC * t)
  // In the blues, chroma and hue are not independent.
  const rotation = 2 * Math.sqrt(meanC ** 7 / (meanC ** 7 + CHROMA_25))
  const blue = Math.sin(60 * DEGREE * Math.exp(-(((meanHue - 275) / 25) ** 2)))
  return Math.sqrt(
    Math.max(0, scaledLightness ** 2 + scaledChroma ** 2 + scaledHue ** 2 - rotation * blue * scaledChroma * scaledHue),
  )
}
