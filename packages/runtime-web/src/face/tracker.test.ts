import { FxError, seededRandom } from '@fx/core'
import { describe, expect, test } from 'vitest'
import { corners, type Jitter, landmarksAt, type Placement, truePose } from '../../test/synthetic-face.js'
import type { CropBox } from '../frame/crop.js'
import { faceCrop, facePose } from './pose.js'
import { createFaceTracker } from './tracker.js'
import type { Face } from './types.js'

const face = { scale: 2, raise: 0.15 }
const frameMs = 1000 / 30
/** Side of the student's input: errors are in its pixels. */
const student = 256

/** What MediaPipe's mesh does on a photograph with camera noise of 8/255, and a little more: corners err by 0.4 px at 256. */
const jitter: Jitter = { landmark: 0.002, place: 0.0006, size: 0.002, roll: 0.0022 }

/** A head that sways, nods, comes nearer and tilts by 20 degrees, all at once: corners move by up to a crop a second. */
const swaying = (seconds: number): Placement => ({
  x: 300 + 40 * Math.sin(2 * Math.PI * 0.4 * seconds),
  y: 250 + 20 * Math.sin(2 * Math.PI * 0.55 * seconds + 1),
  size: 128 * Math.exp(0.2 * Math.sin(2 * Math.PI * 0.25 * seconds + 2)),
  roll: 0.35 * Math.sin(2 * Math.PI * 0.3 * seconds),
})

interface Run {
  truth: CropBox[]
  /** Of the crops without the filter: what a frame's own landmarks say. */
  raw: CropBox[]
  tracked: CropBox[]
}

/** Tracks one face, after two seconds to settle; the detector answers `late` frames after it was asked. */
const follow = (
  path: (seconds: number) => Placement,
  every: number,
  seconds: number,
  noise = jitter,
  late = 0,
): Run => {
  const random = seededRandom('tracker', every)
  const tracker = createFaceTracker({ face })
  const run: Run = { truth: [], raw: [], tracked: [] }
  const answers: Face[] = []
  for (let i = 0; i < seconds * 30; i++) {
    const placement = path(i / 30)
    const found = landmarksAt(placement, noise, random)
    if (i % every === 0) answers.push(found)
    const answer = i >= late && (i - late) % every === 0 ? answers.shift() : undefined
    const crops = tracker.update(answer && [answer], i * frameMs, (i - late) * frameMs)
    if (i < 60) continue
    expect(crops).toHaveLength(1)
    run.truth.push(faceCrop(truePose(placement), face))
    run.raw.push(faceCrop(facePose(found.landmarks)!, face))
    run.tracked.push(crops[0]!)
  }
  return run
}

/** Root mean square of the distance between the corners of crops, in pixels of the student's input. */
const reprojectionError = (actual: readonly CropBox[], expected: readonly CropBox[]): number => {
  let sum = 0
  for (const [i, crop] of actual.entries()) {
    const wanted = corners(expected[i]!)
    const perPixel = student / expected[i]!.width
    for (const [j, value] of corners(crop).entries()) sum += ((value - wanted[j]!) * perPixel) ** 2
  }
  return Math.sqrt(sum / actual.length / 4)
}

/** Standard deviation of the corners, each coordinate about its own mean. */
const unrest = (crops: readonly CropBox[]): number => {
  const all = crops.map(corners)
  let sum = 0
  for (let j = 0; j < 8; j++) {
    const mean = all.reduce((total, values) => total + values[j]!, 0) / all.length
    sum += all.reduce((total, values) => total + (values[j]! - mean) ** 2, 0) / all.length
  }
  return Math.sqrt(sum / 8)
}

/** The delay in frames, from -3 to 9, at which the truth, delayed, fits best: of each of x, y, size and angle; the worst. */
const lag = ({ tracked, truth }: Run): number =>
  Math.max(
    ...(['x', 'y', 'width', 'angle'] as const).map(name => {
      let [best, least] = [0, Number.POSITIVE_INFINITY]
      for (let delay = -3; delay <= 9; delay += 0.1) {
        let sum = 0
        for (let i = 10; i < truth.length - 10; i++) {
          const before = Math.floor(i - delay)
          const part = i - delay - before
          const delayed = truth[before]![name] * (1 - part) + truth[before + 1]![name] * part
          sum += (tracked[i]![name] - delayed) ** 2
        }
        if (sum < least) [best, least] = [delay, sum]
      }
      return best
    }),
  )

describe.each([1, 3])('the detector on every frame or every third: %i', every => {
  test('the crop of a swaying, tilting, nearing, jittering face is off by less than 1.5 px at 256', () => {
    const run = follow(swaying, every, 40)
    const error = reprojectionError(run.tracked, run.truth)
    expect(error).toBeLessThan(1.5)
    expect(error).toBeGreaterThan(0.1)
  })

  test.each([
    ['the jitter of the mesh', 1],
    ['twice that', 2],
  ])('a still face is at least four times calmer: %s', (_, factor) => {
    const noise = Object.fromEntries(Object.entries(jitter).map(([name, value]) => [name, value * factor]))
    const run = follow(() => swaying(0.7), every, 90, noise as unknown as Jitter)
    expect(unrest(run.raw) / unrest(run.tracked)).toBeGreaterThan(4)
    expect(reprojectionError(run.tracked, run.truth)).toBeLessThan(reprojectionError(run.raw, run.truth) / 3)
  })

  test('it lags by less than two frames, in sway and in a start from rest', () => {
    expect(lag(follow(swaying, every, 40))).toBeLessThan(2)
    const starting = follow(
      seconds => ({ ...swaying(0.7), x: 300 + 150 * Math.min(1, Math.max(0, seconds - 4)) }),
      every,
      8,
    )
    // Half of the way, where it moves at full speed.
    const half = (crops: readonly CropBox[]): number => crops.findIndex(({ x }) => x > starting.truth[0]!.x + 75)
    expect(half(starting.tracked) - half(starting.truth)).toBeLessThanOrEqual(2)
  })

  test('the answers of a detector that is two frames late are moved on', () => {
    const run = follow(swaying, every, 40, jitter, 2)
    expect(lag(run)).toBeLessThan(1)
    // Left where they are they would be off by 9.
    expect(reprojectionError(run.tracked, run.truth)).toBeLessThan(4.5)
  })

  test('after a move it comes to rest where the face is', () => {
    const run = follow(seconds => ({ ...swaying(0.7), x: 300 + 100 * Math.min(1, Math.max(0, seconds - 4)) }), every, 8)
    expect(reprojectionError(run.tracked.slice(-75), run.truth.slice(-75))).toBeLessThan(1)
  })

  test('a slow drift is followed', () => {
    const run = follow(seconds => ({ ...swaying(0.7), x: 300 + 4 * seconds }), every, 20)
    expect(reprojectionError(run.tracked, run.truth)).toBeLessThan(1.5)
  })
})

const still = (x: number): Placement => ({ x, y: 240, size: 100, roll: 0 })
const seen = (...xs: number[]): Face[] => xs.map(x => landmarksAt(still(x)))
/** x of each, to 5 pixels: a face is not symmetric. */
const centres = (crops: readonly CropBox[]): number[] => crops.map(({ x }) => 5 * Math.round(x / 5))

describe('several faces', () => {
  test('keep their order, whatever the order of the detections', () => {
    const tracker = createFaceTracker({ face, maxFaces: 3 })
    expect(centres(tracker.update(seen(100, 300, 500), 0))).toEqual([100, 300, 500])
    expect(centres(tracker.update(seen(500, 100, 300), 33))).toEqual([100, 300, 500])
    expect(centres(tracker.update(undefined, 66))).toEqual([100, 300, 500])
    expect(centres(tracker.update(seen(300, 500, 100), 100))).toEqual([100, 300, 500])
  })

  test.each([1, 3])('that pass each other are not swapped (detector on every frame or every third: %i)', every => {
    const random = seededRandom('passing')
    const tracker = createFaceTracker({ face, maxFaces: 2 })
    const at = (i: number): Placement[] => [
      { x: 100 + 8 * i, y: 200, size: 100, roll: 0 },
      { x: 900 - 8 * i, y: 290, size: 90, roll: 0.1 },
    ]
    for (let i = 0; i < 100; i++) {
      const found = at(i).map(placement => landmarksAt(placement, jitter, random))
      if (i % 2 === 1) found.reverse()
      const crops = tracker.update(i % every === 0 ? found : undefined, i * frameMs)
      for (const [k, placement] of at(i).entries()) {
        const wanted = faceCrop(truePose(placement), face)
        expect(Math.hypot(crops[k]!.x - wanted.x, crops[k]!.y - wanted.y), `face ${k} of frame ${i}`).toBeLessThan(30)
      }
    }
  })

  test('beyond maxFaces those found first stay', () => {
    const tracker = createFaceTracker({ face, maxFaces: 2 })
    tracker.update(seen(100), 0)
    tracker.update(seen(500, 100), 33)
    expect(centres(tracker.update(seen(300, 500, 100), 66))).toEqual([100, 500])
  })
})

describe('a lost face', () => {
  test('is held, then dropped; skipped frames count for nothing', () => {
    const tracker = createFaceTracker({ face, holdMs: 300 })
    tracker.update(seen(100), 0)
    expect(tracker.update(undefined, 1000)).toHaveLength(1)
    expect(centres(tracker.update([], 1100))).toEqual([100])
    expect(centres(tracker.update(undefined, 1399))).toEqual([100])
    expect(tracker.update(undefined, 1400)).toEqual([])
    expect(tracker.update([], 1500)).toEqual([])
  })

  test('that moved does not run on for long', () => {
    const tracker = createFaceTracker({ face, holdMs: 1000 })
    for (let i = 0; i < 30; i++) tracker.update(seen(100 + 6 * i), i * frameMs)
    const [last] = tracker.update([], 30 * frameMs)
    const [held] = tracker.update([], 55 * frameMs)
    expect(last!.x).toBeCloseTo(280, -1)
    expect(held!.x - last!.x).toBeLessThan(40)
  })

  test('is found again where it is, without a way there', () => {
    const tracker = createFaceTracker({ face })
    tracker.update(seen(100), 0)
    tracker.update([], 33)
    tracker.update([], 400)
    expect(centres(tracker.update(seen(600), 433))).toEqual([600])
    expect(centres(tracker.update(seen(600), 466))).toEqual([600])
    // Near, and while it is still held.
    tracker.update([], 500)
    tracker.update([], 733)
    expect(centres(tracker.update(seen(640), 766))).toEqual([640])
    expect(centres(tracker.update(seen(640), 800))).toEqual([640])
    // Far, and while it is still held: it is the only one.
    tracker.update([], 833)
    expect(centres(tracker.update(seen(100), 866))).toEqual([100])
  })

  test('and one missed frame do not shake the crop', () => {
    const random = seededRandom('missed')
    const tracker = createFaceTracker({ face })
    const crops: CropBox[] = []
    for (let i = 0; i < 600; i++) {
      const found = i % 10 === 9 ? [] : [landmarksAt(still(300), jitter, random)]
      crops.push(...tracker.update(found, i * frameMs))
    }
    expect(crops).toHaveLength(600)
    expect(unrest(crops.slice(60))).toBeLessThan(0.3)
  })
})

test('a video that starts again, and reset, forget the faces', () => {
  const tracker = createFaceTracker({ face })
  tracker.update(seen(100), 5000)
  expect(tracker.update(undefined, 0)).toEqual([])
  tracker.update(seen(100), 33)
  tracker.reset()
  expect(tracker.update(undefined, 66)).toEqual([])
})

test('a detection without a pose is no face, and wrong options are refused', () => {
  const tracker = createFaceTracker({ face })
  expect(tracker.update([{ landmarks: new Float32Array(956).fill(Number.NaN) }], 0)).toEqual([])
  for (const options of [{ maxFaces: 0 }, { maxFaces: 1.5 }, { holdMs: -1 }, { holdMs: Number.NaN }]) {
    const create = () => createFaceTracker({ face, ...options })
    expect(create).toThrow(/maxFaces is|holdMs is/)
    try {
      create()
    } catch (error) {
      expect(FxError.isInstance(error, 'invalid-argument')).toBe(true)
    }
  }
})
