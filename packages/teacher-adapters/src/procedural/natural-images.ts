import { integerIn, type SeededRandom, seededRandom } from '@fx/core'
import type { RgbImage } from '../contract/types.js'
import { type Canvas, type LeafStyle, paintLeaf } from './leaf.js'
import { type Colour, drawPalette } from './palette.js'
import { blurPlane } from './planes.js'
import { noiseTexture, type Texture } from './texture.js'

/** Raised whenever the same seed would give other pixels. */
export const NATURAL_REVISION = 1

export interface NaturalImageOptions {
  /** A whole number from 0. Every seed is another picture. */
  seed: number
  /** Side of the square picture, pixels, 16 to 1024. */
  size: number
}

/**
 * A picture of nothing, with the statistics of photographs: opaque leaves over leaves whose radii follow a power law, so
 * that it looks alike at every scale and its power falls about as the square of the frequency; shaded, textured by 1/f
 * noise, in few hues, out of focus in the distance, under uneven light, with the noise of a sensor. Some are calm, as faces
 * and skies are, some rough, as grass is. Networks that learn a local filter on such pictures know it on photographs too.
 *
 * Source of the leaves: Lee, Mumford and Huang, "Occlusion Models for Natural Images" (2001).
 *
 * @returns the same bytes for the same seed and size, 0-255.
 * @throws FxError `invalid-argument` for a seed or a size out of range.
 */
export const naturalImages = (options: NaturalImageOptions): RgbImage => {
  const seed = integerIn('seed', options.seed, 0, Number.MAX_SAFE_INTEGER)
  const size = integerIn('size', options.size, 16, 1024)
  const random = seededRandom(seed, 'natural images')
  const canvas: Canvas = { width: size, height: size, data: new Float32Array(size * size * 3) }
  const textures = Array.from({ length: 3 }, () => noiseTexture(random, 0.8 + 2.2 * random.uniform()))
  const colour = drawPalette(random)
  const style = drawStyle(random, colour, textures)

  paintBackground(canvas, random, colour, textures)
  // What is behind is painted first, and blurred: nearer leaves are sharper.
  const layers = 1 + random.integer(3)
  const calm = random.uniform() < 0.3
  for (let layer = 1; layer <= layers; layer++) {
    paintLeaves(canvas, random, style, calm)
    const distance = layers - layer
    if (distance > 0 && random.uniform() < 0.7) blur(canvas, 3 * random.uniform() * distance)
  }
  if (calm && random.uniform() < 0.5) blur(canvas, 0.5 + 2 * random.uniform())
  return develop(canvas, random)
}

const drawStyle = (random: SeededRandom, colour: () => Colour, textures: readonly Texture[]): LeafStyle => ({
  colour,
  textures,
  roughness: 0.4 * random.uniform() ** 1.5,
  softness: random.uniform() < 0.7 ? 1 + 0.5 * random.uniform() : 1 + 5 * random.uniform(),
})

/** A slope between two colours, as of a sky or a wall, with some noise. */
const paintBackground = (
  { width, height, data }: Canvas,
  random: SeededRandom,
  colour: () => Colour,
  textures: readonly Texture[],
): void => {
  const [from, to] = [colour(), colour()]
  const angle = 2 * Math.PI * random.uniform()
  const [stepX, stepY] = [Math.cos(angle) / width, Math.sin(angle) / height]
  const rough = 0.2 * random.uniform() ** 2
  const texture = textures[0]!
  const offset = 128 * random.uniform()
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 3) {
      const t = 0.5 + (x - width / 2) * stepX + (y - height / 2) * stepY
      const light = 1 + rough * texture.at(x + offset, y + offset)
      for (let channel = 0; channel < 3; channel++) {
        data[at + channel] = (from[channel]! + t * (to[channel]! - from[channel]!)) * light
      }
    }
  }
}

/**
 * Leaves at random places until they cover the picture about once. Radii follow a density of `1 / r^3`, so that each octave
 * of sizes covers as much as any other; where it begins is the picture's own, from pebbles to walls.
 */
const paintLeaves = (canvas: Canvas, random: SeededRandom, style: LeafStyle, calm: boolean): void => {
  const side = canvas.width
  const smallest = calm ? side * (0.08 + 0.12 * random.uniform()) : 0.8 * 12 ** (random.uniform() ** 1.3)
  const largest = Math.max(2 * smallest, 0.6 * side)
  const cover = (0.2 + 0.8 * random.uniform()) * side * side
  for (let painted = 0; painted < cover; ) {
    const t = random.uniform()
    const radius = 1 / Math.sqrt((1 - t) / smallest ** 2 + t / largest ** 2)
    const margin = 0.5 * radius
    const centre = {
      x: -margin + (side + 2 * margin) * random.uniform(),
      y: -margin + (side + 2 * margin) * random.uniform(),
    }
    paintLeaf(canvas, random, centre, radius, style)
    painted += 0.6 * Math.PI * radius * radius
  }
}

const blur = ({ width, height, data }: Canvas, sigma: number): void => {
  const plane = new Float32Array(width * height)
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < plane.length; i++) plane[i] = data[3 * i + channel]!
    blurPlane(plane, width, height, sigma)
    for (let i = 0; i < plane.length; i++) data[3 * i + channel] = plane[i]!
  }
}

/** What a camera makes of a scene: light from one side, white balance, exposure, lens, the noise of the sensor, bytes. */
const develop = (canvas: Canvas, random: SeededRandom): RgbImage => {
  const { width, height, data } = canvas
  blur(canvas, 0.3 + 0.2 * random.uniform())
  const exposure = Math.exp(0.25 * random.normal())
  const balance = [0, 1, 2].map(() => exposure * Math.exp(0.06 * random.normal()))
  const haze = random.uniform() < 0.3 ? 0.15 * random.uniform() : 0
  const [fallX, fallY] = [0.25 * random.normal(), 0.25 * random.normal()]
  const noise = 0.02 * random.uniform() ** 3
  const bytes = new Uint8Array(data.length)
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 3) {
      const light = 1 + (fallX * (x - width / 2)) / width + (fallY * (y - height / 2)) / height
      for (let channel = 0; channel < 3; channel++) {
        const value = haze + (1 - haze) * balance[channel]! * light * data[at + channel]!
        bytes[at + channel] = Math.round(255 * Math.min(1, Math.max(0, value + noise * random.normal())))
      }
    }
  }
  return { width, height, data: bytes }
}
