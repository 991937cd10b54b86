import type { SeededRandom } from '@fx/core'
import type { Colour } from './palette.js'
import type { Texture } from './texture.js'

/** What leaves are painted on: HWC, RGB, values from 0 to 1. */
export interface Canvas {
  width: number
  height: number
  data: Float32Array
}

/** How the leaves of one picture look. */
export interface LeafStyle {
  colour: () => Colour
  textures: readonly Texture[]
  /** Mean deviation of a leaf's texture, 0 to 1. */
  roughness: number
  /** Width of a leaf's rim, pixels: 1 is sharp. */
  softness: number
}

/** Distance of a point outside a shape of radius about 1 around the origin, negative inside. */
type Outline = (x: number, y: number) => number

const disc: Outline = (x, y) => Math.sqrt(x * x + y * y) - 1

/** A convex polygon: inside of all of its edges. */
const polygon = (random: SeededRandom): Outline => {
  const corners = 3 + random.integer(4)
  const edges = Array.from({ length: corners }, (_, i) => {
    const angle = (2 * Math.PI * (i + 0.6 * (random.uniform() - 0.5))) / corners
    return { cos: Math.cos(angle), sin: Math.sin(angle), offset: 0.6 + 0.5 * random.uniform() }
  })
  return (x, y) => {
    let outside = Number.NEGATIVE_INFINITY
    for (const { cos, sin, offset } of edges) outside = Math.max(outside, x * cos + y * sin - offset)
    return outside
  }
}

/** A rounded shape with bays and capes: a disc whose radius waves. */
const blob = (random: SeededRandom): Outline => {
  const waves = [2, 3, 5].map(times => ({
    times,
    height: (0.45 * random.uniform()) / times,
    phase: 2 * Math.PI * random.uniform(),
  }))
  return (x, y) => {
    const angle = Math.atan2(y, x)
    let radius = 0.8
    for (const { times, height, phase } of waves) radius += height * Math.sin(times * angle + phase)
    return Math.sqrt(x * x + y * y) - radius
  }
}

/** Paints one shaded, textured shape over what is there. */
export const paintLeaf = (
  { width, height, data }: Canvas,
  random: SeededRandom,
  centre: { x: number; y: number },
  radius: number,
  { colour, textures, roughness, softness }: LeafStyle,
): void => {
  const kind = random.uniform()
  const outline = kind < 0.35 ? disc : kind < 0.7 ? polygon(random) : blob(random)
  // One leaf in four is a stem or a beam, the others are a little longer than wide.
  const length = random.uniform() < 0.25 ? 2 + 6 * random.uniform() : 1 + random.uniform()
  const [long, short] = [radius * Math.sqrt(length), radius / Math.sqrt(length)]
  const angle = Math.PI * random.uniform()
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  const own = colour()
  // A leaf resembles what it lies on, the more so the smaller it is.
  const contrast = Math.min(1, (0.4 + radius / 16) * (0.3 + random.uniform()))
  const column = Math.min(width - 1, Math.max(0, Math.round(centre.x)))
  const row = Math.min(height - 1, Math.max(0, Math.round(centre.y)))
  const [red, green, blue] = own.map((value, channel) => {
    const under = data[(row * width + column) * 3 + channel]!
    return under + contrast * (value - under)
  }) as [number, number, number]

  // Light: a slope across the leaf, and a bulge as of a ball.
  const slope = 0.25 * random.normal()
  const lightAngle = 2 * Math.PI * random.uniform()
  const [lightX, lightY] = [slope * Math.cos(lightAngle), slope * Math.sin(lightAngle)]
  const bulge = random.uniform() < 0.4 ? 0.5 * random.uniform() : 0
  const texture = textures[random.integer(textures.length)]!
  const rough = random.uniform() < 0.25 ? 0 : -roughness * Math.log(1 - random.uniform())
  // The grain of a texture lies along the leaf and is often drawn out, as of hair, bark and cloth.
  const grain = Math.exp(0.5 * random.normal())
  const drawn = random.uniform() < 0.4 ? 1 + 5 * random.uniform() : 1
  const [offsetX, offsetY] = [128 * random.uniform(), 128 * random.uniform()]

  // The sharpest corners of polygons reach farther, and are cut.
  const extent = 1.6 * Math.max(long, short) + softness
  const [left, right] = [Math.max(0, Math.ceil(centre.x - extent)), Math.min(width - 1, centre.x + extent)]
  const [top, bottom] = [Math.max(0, Math.ceil(centre.y - extent)), Math.min(height - 1, centre.y + extent)]
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const along = (x - centre.x) * cos + (y - centre.y) * sin
      const across = (y - centre.y) * cos - (x - centre.x) * sin
      const [u, v] = [along / long, across / short]
      // Distances of a stretched shape are about those of its narrow side.
      const cover = Math.min(1, Math.max(0, 0.5 - (outline(u, v) * short) / softness))
      if (cover === 0) continue
      const light =
        1 +
        lightX * u +
        lightY * v -
        bulge * Math.min(1, u * u + v * v) +
        (rough === 0 ? 0 : rough * texture.at((along * grain) / drawn + offsetX, across * grain + offsetY))
      const at = (y * width + x) * 3
      data[at] = data[at]! + cover * (red * light - data[at]!)
      data[at + 1] = data[at + 1]! + cover * (green * light - data[at + 1]!)
      data[at + 2] = data[at + 2]! + cover * (blue * light - data[at + 2]!)
    }
  }
}
