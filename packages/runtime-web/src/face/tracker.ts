import { type EffectBundleManifest, FxError } from '@fx/core'
import type { CropBox } from '../frame/crop.js'
import { difference, type OneEuro, oneEuro, turn } from './one-euro.js'
import { type FacePose, faceCrop, facePose } from './pose.js'
import type { Face } from './types.js'

export interface FaceTrackerOptions {
  /** Of the bundle's manifest: which square around a face is the student's input. */
  face: NonNullable<EffectBundleManifest['face']>
  /** The most faces to follow; those found first stay. Default 1. */
  maxFaces?: number
  /** How long a face that the detector no longer finds keeps its crop, ms. Default 300. */
  holdMs?: number
}

export interface FaceTracker {
  /**
   * The crops of a frame, in the order in which their faces were first seen.
   *
   * @param faces that the detector found; undefined when it has no new answer.
   * @param timeMs of the frame. Going back in time, as a video that starts again does, forgets all faces.
   * @param foundMs time of the frame in which the faces were found, where that is an earlier one: they are moved on.
   *   Default `timeMs`.
   * @throws FxError `shape-mismatch` for landmarks that are no face mesh.
   */
  update(faces: readonly Face[] | undefined, timeMs: number, foundMs?: number): readonly CropBox[]
  /** Forgets all faces, as for another source. */
  reset(): void
}

interface Track {
  filter: OneEuro
  seenMs: number
  /** When the detector first missed it, if it did the last time. */
  missedMs: number | undefined
}

/** For how long a face is thought to move on as it did, ms. */
const predictedMs = 200

/** The farthest that a face moves between two detections, in sides of its box. More is another face. */
const reach = 0.8

/**
 * Chosen by a sweep on the simulated face of tracker.test.ts. Speeds are in sides of the face's box, radians and nepers of
 * its size, each a second. With the detector on every frame and on every third: the reprojection error of a swaying head,
 * how many times calmer a still one is, and the error of one that drifts by 4 pixels a second; pixels of a 256 crop.
 *
 * | filter                                              | swaying    | calmer     | drifting   |
 * | --------------------------------------------------- | ---------- | ---------- | ---------- |
 * | the paper's: minCutoff 0.2, beta 10, speedCutoff 1  | 5.25, 6.56 | 5.6, 2.6   | 1.23, 1.26 |
 * | the paper's: minCutoff 0.2, beta 40, speedCutoff 4  | 1.29, 2.12 | 2.3, 1.3   | 0.50, 0.63 |
 * | this one without catchUp                            | 0.90, 1.62 | 11.6, 5.4  | 6.24, 6.37 |
 * | this one                                            | 0.62, 1.38 | 11.6, 5.4  | 0.84, 0.77 |
 * | this one at twice the jitter                        | 1.24, 1.79 | 11.6, 5.4  | 0.84, 0.77 |
 */
const smoothing = { minCutoff: 0.1, beta: 20, speedCutoff: 0.5, deadBand: 0.2, catchUp: 0.05 }

const add = (track: Track, { x, y, size, angle }: FacePose, timeMs: number): void => {
  track.filter.add([x, y, Math.log(size), angle], timeMs, [size, size, 1, 1])
  track.seenMs = timeMs
  track.missedMs = undefined
}

const poseAt = ({ filter, seenMs }: Track, timeMs: number): FacePose => {
  const [x, y, logSize, angle] = filter.at(Math.min(timeMs, seenMs + predictedMs)) as [number, number, number, number]
  return { x, y, size: Math.exp(logSize), angle }
}

/** How unlike one face in two frames two poses are, in sides of its box. */
const distance = (a: FacePose, b: FacePose): number =>
  Math.hypot(a.x - b.x, a.y - b.y) / Math.max(a.size, b.size) + Math.abs(Math.log(a.size / b.size))

/**
 * Follows faces from frame to frame: steadies their poses, moves them on where the detector was not asked, holds a face
 * that it lost for a moment. Pure: the result depends on the calls alone.
 *
 * @throws FxError `invalid-argument`.
 */
export const createFaceTracker = ({ face, maxFaces = 1, holdMs = 300 }: FaceTrackerOptions): FaceTracker => {
  if (!Number.isInteger(maxFaces) || maxFaces < 1) {
    throw new FxError('invalid-argument', `maxFaces is ${maxFaces}, allowed are whole numbers from 1`)
  }
  if (!(holdMs >= 0)) throw new FxError('invalid-argument', `holdMs is ${holdMs}, allowed are numbers from 0`)
  let tracks: Track[] = []
  let lastMs = -Infinity

  const start = (): Track => ({
    filter: oneEuro([difference, difference, difference, turn], smoothing),
    seenMs: 0,
    missedMs: undefined,
  })

  const detected = (faces: readonly Face[], timeMs: number, foundMs: number): void => {
    const poses = faces.map(({ landmarks }) => facePose(landmarks)).filter(pose => pose !== undefined)
    const pairs = tracks
      .flatMap(track => poses.map(pose => ({ track, pose, apart: distance(poseAt(track, foundMs), pose) })))
      .filter(({ apart }) => apart < reach)
      .sort((a, b) => a.apart - b.apart)
    const left = { tracks: new Set(tracks), poses: new Set(poses) }
    for (const { track, pose } of pairs) {
      if (!left.tracks.has(track) || !left.poses.has(pose)) continue
      left.tracks.delete(track)
      left.poses.delete(pose)
      // Nobody knows how it moved meanwhile.
      if (track.missedMs !== undefined && foundMs - track.seenMs > predictedMs) track.filter = start().filter
      add(track, pose, foundMs)
    }
    for (const track of left.tracks) track.missedMs ??= timeMs
    for (const pose of left.poses) {
      if (tracks.length === maxFaces) {
        // A face that is there is worth more than the memory of one.
        const [stale] = [...left.tracks].sort((a, b) => a.seenMs - b.seenMs)
        if (stale === undefined) break
        left.tracks.delete(stale)
        tracks = tracks.filter(track => track !== stale)
      }
      const track = start()
      add(track, pose, foundMs)
      tracks.push(track)
    }
  }

  return {
    update: (faces, timeMs, foundMs = timeMs) => {
      if (timeMs < lastMs) tracks = []
      lastMs = timeMs
      if (faces !== undefined) detected(faces, timeMs, foundMs)
      tracks = tracks.filter(({ missedMs }) => missedMs === undefined || timeMs - missedMs < holdMs)
      return tracks.map(track => faceCrop(poseAt(track, timeMs), face))
    },
    reset: () => {
      tracks = []
      lastMs = -Infinity
    },
  }
}
