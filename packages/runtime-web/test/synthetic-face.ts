import { type SeededRandom, seededRandom } from '@fx/core'
import { anchors, facePose } from '../src/face/pose.js'
import type { Face } from '../src/face/types.js'
import type { CropBox } from '../src/frame/crop.js'

/** Where the synthetic face is: a similarity of the frame, its turn to the side, and how it deviates from one to another. */
export interface Placement {
  x: number
  y: number
  /** Frame pixels to the face's box. */
  size: number
  /** Radians, clockwise. */
  roll: number
  /** Radians, to its left. */
  yaw?: number
}

/** How a detector errs: the landmarks each by themselves, and all together. Standard deviations. */
export interface Jitter {
  /** Of each landmark, and of the whole face, in sides of its box. */
  landmark: number
  place: number
  /** Of the logarithm of its size. */
  size: number
  /** Radians. */
  roll: number
}

const random = seededRandom('synthetic face')

/** The mesh of one person: index, x, y and z of the model's anchors, each 2 % off. Nobody looks at the other points. */
const person = anchors.flatMap(([right, left, x, y, z]) => {
  const own = (index: number, ...place: number[]) =>
    [index, ...place.map(value => value / 1000 + 0.02 * random.normal())] as [number, number, number, number]
  return right === left ? [own(left, x, y, z)] : [own(left, x, y, z), own(right, -x, y, z)]
})

/** Landmarks of the person, seen from far away. */
export const landmarksAt = ({ x, y, size, roll, yaw = 0 }: Placement, jitter?: Jitter, noise?: SeededRandom): Face => {
  const normal = (deviation: number | undefined): number => (deviation ?? 0) * (noise?.normal() ?? 0)
  const scale = size * Math.exp(normal(jitter?.size))
  const angle = roll + normal(jitter?.roll)
  const [centreX, centreY] = [x + size * normal(jitter?.place), y + size * normal(jitter?.place)]
  const landmarks = new Float32Array(936)
  for (const [i, px, py, pz] of person) {
    const u = scale * (px * Math.cos(yaw) + pz * Math.sin(yaw))
    const v = scale * py
    landmarks[2 * i] = centreX + u * Math.cos(angle) - v * Math.sin(angle) + size * normal(jitter?.landmark)
    landmarks[2 * i + 1] = centreY + u * Math.sin(angle) + v * Math.cos(angle) + size * normal(jitter?.landmark)
  }
  return { landmarks }
}

/** The pose of the person's face without jitter: the truth, moved as the face is moved and not fitted again. */
export const truePose = ({ x, y, size, roll }: Placement) => {
  const upright = facePose(landmarksAt({ x: 0, y: 0, size: 1000, roll: 0 }).landmarks)!
  const [dx, dy] = [(upright.x * size) / 1000, (upright.y * size) / 1000]
  return {
    x: x + dx * Math.cos(roll) - dy * Math.sin(roll),
    y: y + dx * Math.sin(roll) + dy * Math.cos(roll),
    size: (upright.size * size) / 1000,
    angle: upright.angle + roll,
  }
}

/** x, y of the corners of a crop, frame pixels. */
export const corners = ({ x, y, width, height, angle }: CropBox): number[] =>
  [
    [-1, -1],
    [1, -1],
    [1, 1],
    [-1, 1],
  ].flatMap(([u, v]) => {
    const [dx, dy] = [(u! * width) / 2, (v! * height) / 2]
    return [x + dx * Math.cos(angle) - dy * Math.sin(angle), y + dx * Math.sin(angle) + dy * Math.cos(angle)]
  })
