import type { SeededRandom } from '@fx/core'

/** Red, green and blue, 0 to 1; may leave that range before a picture is finished. */
export type Colour = readonly [number, number, number]

/** Hues of what there is most of outdoors and indoors, degrees: wood and skin, foliage, sky, the rest; `upTo` adds up. */
const HUES = [
  { hue: 30, spread: 18, upTo: 0.4 },
  { hue: 100, spread: 30, upTo: 0.6 },
  { hue: 212, spread: 16, upTo: 0.8 },
  { hue: 0, spread: 180, upTo: 1 },
] as const

/** From hue (degrees), saturation and value. */
const ofHsv = (hue: number, saturation: number, value: number): Colour => {
  const channel = (n: number): number => {
    const k = (n + (((hue % 360) + 360) % 360) / 60) % 6
    return value * (1 - saturation * Math.max(0, Math.min(k, 4 - k, 1)))
  }
  return [channel(5), channel(3), channel(1)]
}

const drawHue = (random: SeededRandom): number => {
  const drawn = random.uniform()
  const kind = HUES.find(({ upTo }) => drawn < upTo)!
  return kind.hue + kind.spread * (2 * random.uniform() - 1)
}

/** Few hues make a picture; most colours are dull, a few are not. */
export const drawPalette = (random: SeededRandom): (() => Colour) => {
  const hues = Array.from({ length: 1 + random.integer(5) }, () => drawHue(random))
  const vividness = 0.1 + 0.9 * random.uniform()
  return () => {
    const hue = hues[random.integer(hues.length)]! + 12 * random.normal()
    const saturation = vividness * random.uniform() ** 1.5
    // The light that things send back varies by ratios, not by differences; eyes and files keep its square root, about.
    const value = Math.min(1, Math.max(0.02, 0.5 * Math.exp(0.55 * random.normal())))
    return ofHsv(hue, saturation, value)
  }
}
