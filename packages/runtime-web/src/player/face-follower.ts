import type { EffectBundleManifest } from '@fx/core'
import { createFaceTracker } from '../face/tracker.js'
import type { Face, FaceDetector } from '../face/types.js'
import type { CropBox } from '../frame/crop.js'
import type { Frame } from '../frame/frame.js'
import type { Taken } from '../source/feed.js'

/** Looks for faces beside the pipeline, one frame at a time, and gives each frame its crops. */
export interface FaceFollower {
  /**
   * The crops of this frame, by what was found until now. On every `detectEvery`th new frame a detection starts, unless
   * one is under way.
   */
  crops(taken: Taken, detectEvery: number): Promise<readonly CropBox[]>
  /** Follows for another effect. */
  begin(face: NonNullable<EffectBundleManifest['face']>): void
  /** Whether there has been an answer since `begin`. */
  readonly looked: boolean
  stop(): void
}

export interface FollowerEvents {
  onDetected(ms: number): void
  onError(error: unknown): void
}

/** The detector was told how many to look for; the tracker takes what it finds. */
const mostFaces = 16

/** A second handle on a frame, which the detector has while the frame itself goes its way. */
const copyOf = (frame: Frame): Frame | Promise<Frame> => ('clone' in frame ? frame.clone() : createImageBitmap(frame))

/** @param detector stays the caller's. */
export const createFaceFollower = (detector: FaceDetector, { onDetected, onError }: FollowerEvents): FaceFollower => {
  let tracker: ReturnType<typeof createFaceTracker>
  /** The last answer, the time of the frame that it is about, and whether the tracker has not had it. */
  let found: readonly Face[] | undefined
  let foundMs = 0
  let news = false
  let busy = false
  let stopped = false
  let framesSince = Number.POSITIVE_INFINITY

  const detect = async (frame: Frame, timeMs: number): Promise<void> => {
    const start = performance.now()
    try {
      const faces = await detector.detect(frame, timeMs)
      if (stopped) return
      found = faces
      foundMs = timeMs
      news = true
      onDetected(performance.now() - start)
    } catch (error) {
      if (!stopped) onError(error)
    } finally {
      frame.close()
      busy = false
    }
  }

  return {
    crops: async ({ frame, at, repeated }, detectEvery) => {
      framesSince++
      if (!busy && (repeated ? found === undefined : framesSince >= detectEvery)) {
        busy = true
        framesSince = 0
        void detect(await copyOf(frame), at)
      }
      // A picture that is shown again has the faces that it had.
      const faces = news || repeated ? found : undefined
      news = false
      // The answer is about a frame that has gone by: the tracker moves the faces on.
      return tracker.update(faces, at, foundMs)
    },
    begin: face => {
      tracker = createFaceTracker({ face, maxFaces: mostFaces })
      found = undefined
      news = false
      framesSince = Number.POSITIVE_INFINITY
    },
    get looked() {
      return found !== undefined
    },
    stop: () => {
      stopped = true
    },
  }
}
