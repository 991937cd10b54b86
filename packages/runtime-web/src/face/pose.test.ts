import { FxError, seededRandom } from '@fx/core'
import { expect, test } from 'vitest'
import { landmarksAt, truePose } from '../../test/synthetic-face.js'
import { anchors, faceCrop, facePose } from './pose.js'

const place = { x: 320, y: 240, size: 150, roll: 0 }
const poseOf = (placement: typeof place & { yaw?: number }) => facePose(landmarksAt(placement).landmarks)!

/** Landmarks of the model itself, not of a person: y down, about the mean of the anchors. */
const model = (size: number): Float32Array => {
  const landmarks = new Float32Array(956)
  for (const [right, left, x, y] of anchors) {
    landmarks.set([(x * size) / 1000, (y * size) / 1000], 2 * left)
    landmarks.set([((right === left ? x : -x) * size) / 1000, (y * size) / 1000], 2 * right)
  }
  return landmarks
}

test('the model itself is upright, of its size, and its box reaches from the forehead to the chin', () => {
  const { x, y, size, angle } = facePose(model(200))!
  expect(size).toBeCloseTo(200, 4)
  expect(angle).toBeCloseTo(0, 6)
  expect(x).toBeCloseTo(0, 4)
  // Point 10 is the upper end of the box, on which the scale of the model rests.
  expect(y - size / 2).toBeCloseTo((-404 / 1000) * 200, 0)
})

test('the anchors lie about their mean, on which the fit rests', () => {
  const sums = [0, 0, 0]
  for (const [right, left, x, y, z] of anchors) {
    const mirrored = right === left ? 1 : 2
    for (const [i, value] of [mirrored === 1 ? x : 0, mirrored * y, mirrored * z].entries()) sums[i]! += value
  }
  expect(sums).toEqual([0, 0, 0])
})

test('a moved, turned and scaled face has the pose moved, turned and scaled', () => {
  for (const placement of [
    { x: 100, y: 50, size: 80, roll: 0.4 },
    { x: 900, y: 700, size: 400, roll: -1.2 },
    { x: 320, y: 240, size: 150, roll: 3 },
  ]) {
    const actual = poseOf(placement)
    const expected = truePose(placement)
    expect(actual.x).toBeCloseTo(expected.x, 2)
    expect(actual.y).toBeCloseTo(expected.y, 2)
    expect(actual.size).toBeCloseTo(expected.size, 2)
    expect(Math.cos(actual.angle - expected.angle)).toBeCloseTo(1, 6)
  }
})

test('a head that turns to the side keeps its size and its tilt', () => {
  const front = poseOf(place)
  for (const yaw of [-0.6, -0.3, 0.3, 0.6]) {
    const turned = poseOf({ ...place, yaw })
    // cos 0.6 is 0.83: a fit without depth would shrink by a tenth.
    expect(Math.abs(turned.size / front.size - 1)).toBeLessThan(0.02)
    expect(Math.abs(turned.angle - front.angle)).toBeLessThan(0.03)
  }
})

test('jitter of single landmarks is averaged: three times calmer than the line between the eyes', () => {
  const random = seededRandom('pose jitter')
  const jitter = { landmark: 0.01, place: 0, size: 0, roll: 0 }
  let [fitted, eyes] = [0, 0]
  const still = poseOf(place)
  const clean = landmarksAt(place).landmarks
  const eyeAngle = (points: Float32Array): number => Math.atan2(points[527]! - points[67]!, points[526]! - points[66]!)
  for (let i = 0; i < 200; i++) {
    const { landmarks } = landmarksAt(place, jitter, random)
    fitted += (facePose(landmarks)!.angle - still.angle) ** 2
    eyes += (eyeAngle(landmarks) - eyeAngle(clean)) ** 2
  }
  expect(Math.sqrt(eyes / fitted)).toBeGreaterThan(3)
})

test('landmarks without a face give no pose; those of no mesh are refused', () => {
  expect(facePose(new Float32Array(936))).toBeUndefined()
  expect(facePose(new Float32Array(936).fill(Number.NaN))).toBeUndefined()
  expect(() => facePose(new Float32Array(136))).toThrow('A face has 68 landmarks, allowed are 468 or 478')
  try {
    facePose(new Float32Array(136))
  } catch (error) {
    expect(FxError.isInstance(error, 'shape-mismatch')).toBe(true)
  }
})

test('the crop is a square of the size asked for, raised along the tilt', () => {
  const pose = { x: 100, y: 200, size: 50, angle: 0 }
  expect(faceCrop(pose, { scale: 2, raise: 0.2 })).toEqual({ x: 100, y: 190, width: 100, height: 100, angle: 0 })
  const tilted = faceCrop({ ...pose, angle: Math.PI / 2 }, { scale: 2, raise: 0.2 })
  expect(tilted.x).toBeCloseTo(110, 9)
  expect(tilted.y).toBeCloseTo(200, 9)
})
