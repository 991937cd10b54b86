import { FxError } from '@fx/core'
import { sizeOf } from './frame/frame.js'
import type { Rendered } from './frame/renderer.js'
import { studentSizes } from './frame/student-sizes.js'
import type { EngineReport } from './frame/students.js'
import { shownPart } from './frame/view.js'
import { type EffectInternals, internalsOf } from './internals.js'
import type { Effect } from './load-effect.js'
import { createFaceFollower } from './player/face-follower.js'
import type { PlayerState } from './player/state.js'
import { createStageTimes } from './player/stats.js'
import type { EffectPlayer, PlayOptions } from './player/types.js'
import { createQuality, type Quality, type QualityChange } from './quality/quality.js'
import { createCanvasTracks } from './sink/canvas-tracks.js'
import { type Canvas, createPainter } from './sink/painter.js'
import type { CameraState } from './source/camera.js'
import type { Taken } from './source/feed.js'
import { openFeed, type PlayerSource } from './source/open-feed.js'

/** An effect while it plays. */
interface Turn {
  effect: Effect
  internals: EffectInternals
  quality: Quality
  engine: EngineReport
  /** Answers `use`. */
  painted(yes: boolean): void
}

const mostChanges = 100

const checkPart = (split: number | undefined): void => {
  if (split !== undefined && !(split >= 0 && split <= 1)) {
    throw new FxError('invalid-argument', `split is ${split}, allowed are 0 to 1 and undefined`)
  }
}

const checkMix = (mix: number): void => {
  if (!(mix >= 0 && mix <= 1)) throw new FxError('invalid-argument', `mix is ${mix}, allowed are 0 to 1`)
}

/** Calls a function of the caller's; what it throws is reported like that of an event listener. */
const tellCaller = (call: () => void): void => {
  try {
    call()
  } catch (error) {
    reportError(error)
  }
}

/**
 * Plays the effect of a source onto a canvas, whose size the caller chooses and may change. One frame is in flight, and
 * the newest follows, so that a slow device shows fewer frames, never old ones. The source, the effect and the detector
 * stay the caller's.
 *
 * @throws FxError `invalid-argument` for something that is no source, no effect, or a canvas with a context of WebGL.
 */
export const playEffect = (
  effect: Effect,
  source: PlayerSource,
  canvas: Canvas,
  options: PlayOptions = {},
): EffectPlayer => {
  const { faces, frameBudgetMs = 1000 / 30, signal, onFrame, onState } = options
  let { split, mix = 1, mirror = false } = options
  checkPart(split)
  checkMix(mix)
  if (!(frameBudgetMs > 0))
    throw new FxError('invalid-argument', `frameBudgetMs is ${frameBudgetMs}, allowed is above 0`)
  const paint = createPainter(canvas, 'bitmaprenderer')
  const tracks = createCanvasTracks(canvas)
  const times = createStageTimes()
  const changes: QualityChange[] = []
  let stopped = false
  let cameraLost = false
  let faceLost = false
  let takenAt = Number.NEGATIVE_INFINITY

  const tell = (state: PlayerState): void => {
    if (!stopped) tellCaller(() => onState?.(state))
  }

  const followed = ({ manifest }: Effect): boolean => manifest.crop === 'face' && faces !== undefined

  const beginTurn = (next: Effect, painted: Turn['painted']): Turn => {
    const internals = internalsOf(next)
    const quality = createQuality(internals, {
      sizes: studentSizes(next.manifest),
      faces: followed(next),
      budgetMs: frameBudgetMs,
      onChange: change => {
        changes.push(change)
        if (changes.length > mostChanges) changes.shift()
        tell({ kind: 'running', reason: 'quality-changed', message: change.reason })
      },
    })
    if (followed(next)) follower?.begin(next.manifest.face!)
    return { effect: next, internals, quality, engine: internals.engine(), painted }
  }

  const onCamera = (state: CameraState): void => {
    if (state === 'lost') tell({ kind: 'waiting', reason: 'camera-lost', message: 'The camera was lost' })
    if (state !== 'stopped') cameraLost ||= state === 'lost'
  }

  const follower =
    faces &&
    createFaceFollower(faces, {
      onDetected: ms => {
        times.add({ detect: ms })
        feed.refresh()
      },
      onError: error => fail(error),
    })
  let turn = beginTurn(effect, () => {})
  const feed = openFeed(source, onCamera)

  let settle: { resolve(): void; reject(error: unknown): void }
  const done = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject }
  })
  // Those who only listen to onState have handled it.
  done.catch(() => {})

  /** A picture that stands still is painted again when it would look different. */
  let look = ''
  let watching = 0
  const watch = (): void => {
    const now = `${turn.internals.parameters.values()} ${split} ${mix} ${mirror} ${canvas.width}x${canvas.height}`
    if (now !== look) feed.refresh()
    look = now
    watching = requestAnimationFrame(watch)
  }

  const end = (): void => {
    stopped = true
    cancelAnimationFrame(watching)
    signal?.removeEventListener('abort', stop)
    feed.stop()
    follower?.stop()
    turn.quality.stop()
    turn.painted(false)
    tracks.end()
  }
  const stop = (): void => {
    if (stopped) return
    end()
    settle.resolve()
  }
  const fail = (cause: unknown): void => {
    if (stopped) return
    // A disposed effect is the caller's own doing.
    if (FxError.isInstance(cause, 'aborted')) {
      stop()
      return
    }
    const error = cause instanceof Error ? cause : new Error(String(cause))
    tell({ kind: 'failed', reason: 'error', message: error.message, error })
    end()
    settle.reject(error)
  }

  const tellChanges = (engine: EngineReport, seesFace: boolean | undefined): void => {
    const { name, failure } = engine
    if (name !== turn.engine.name || failure !== turn.engine.failure) {
      tell({ kind: 'running', reason: 'engine-changed', message: `${failure} Going on with ${name}.` })
    }
    turn.engine = engine
    if (times.frames() === 1) tell({ kind: 'running', reason: 'started', message: `Running on ${name}` })
    if (cameraLost) tell({ kind: 'running', reason: 'camera-returned', message: 'The camera is back' })
    cameraLost = false
    if (seesFace === undefined || seesFace !== faceLost) return
    faceLost = !seesFace
    if (faceLost) tell({ kind: 'waiting', reason: 'no-face', message: 'There is no face in the picture' })
    else tell({ kind: 'running', reason: 'face-found', message: 'There is a face in the picture' })
  }

  /** One frame, from the feed to the canvas. */
  const show = async (taken: Taken): Promise<void> => {
    const { frame, at, repeated } = taken
    const mine = turn
    const { internals, quality } = mine
    const capture = performance.now() - at
    const output = { width: canvas.width, height: canvas.height }
    const { width, height } = shownPart(mine.effect.manifest.crop, sizeOf(frame))
    const crops = followed(mine.effect) ? await follower!.crops(taken, quality.level.detectEvery) : undefined
    const values = internals.parameters.values()
    const { size } = quality.level
    const left = (): boolean => stopped || mine !== turn
    let rendered: Rendered
    try {
      rendered = await internals.render(frame, { values, output, mirror, split, mix, crops, size })
    } catch (error) {
      // The effect that was left may be disposed by now.
      if (left()) return
      throw error
    }
    if (left()) {
      rendered.picture.close()
      return
    }
    const begun = performance.now()
    paint(rendered.picture)
    const now = performance.now()
    times.add({ ...rendered.times, capture, present: now - begun, total: now - at })
    mine.painted(true)
    tellChanges(rendered.engine, crops && follower!.looked ? crops.length > 0 : undefined)
    // Times of a tab that nobody sees say nothing about the device.
    if (!repeated && document.visibilityState === 'visible') quality.add(now - at, now)
    tellCaller(() => onFrame?.({ width, height, totalMs: now - at }))
  }

  const run = async (): Promise<void> => {
    try {
      for (;;) {
        const { frameRate } = turn.quality.level
        const early = frameRate === undefined ? 0 : takenAt + 1000 / frameRate - performance.now()
        if (early > 0) await new Promise(resolve => setTimeout(resolve, early))
        const taken = await feed.next()
        if (taken === undefined) return stop()
        takenAt = taken.at
        // A canvas may have no size for a while, in a panel that is closed.
        if (stopped || canvas.width === 0 || canvas.height === 0) taken.frame.close()
        else await show(taken)
        if (stopped) return
      }
    } catch (error) {
      fail(error)
    }
  }

  signal?.addEventListener('abort', stop)
  if (signal?.aborted) stop()
  else {
    watch()
    void run()
  }

  return {
    get split() {
      return split
    },
    set split(value) {
      checkPart(value)
      split = value
    },
    get mix() {
      return mix
    },
    set mix(value) {
      checkMix(value)
      mix = value
    },
    get mirror() {
      return mirror
    },
    set mirror(value) {
      mirror = value
    },
    use: next =>
      new Promise(resolve => {
        if (stopped) return resolve(false)
        const before = turn
        turn = beginTurn(next, resolve)
        before.quality.stop()
        before.painted(false)
        feed.refresh()
      }),
    stats: () => {
      const { tensors, bytes, name, threads } = turn.internals.engine()
      const { crop } = turn.effect.manifest
      return {
        stages: times.summary(),
        frames: times.frames(),
        dropped: feed.dropped(),
        engine: name,
        threads,
        memory: { tensors, bytes, workers: turn.internals.workers },
        crop: crop === 'face' && faces === undefined ? 'centre-square' : crop,
        quality: { ...turn.quality.state(), changes },
      }
    },
    track: frameRate => tracks.open(frameRate),
    stop,
    done,
  }
}
