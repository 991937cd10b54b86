import type { FaceDetector } from '../face/types.js'
import type { Effect } from '../load-effect.js'
import type { PlayerState } from './state.js'
import type { FrameInfo, PlayerStats } from './stats.js'

export interface PlayOptions {
  /** Finds the faces for effects with the crop 'face'; stays the caller's. Without one they take the centred square. */
  faces?: FaceDetector
  /** As `player.split`. */
  split?: number
  /** As `player.mix`. */
  mix?: number
  /** As `player.mirror`. */
  mirror?: boolean
  /** What a frame may take, ms, before quality is lowered. Default 1000/30. */
  frameBudgetMs?: number
  /** Stops the player. */
  signal?: AbortSignal
  /** Called after each painted frame. */
  onFrame?: (frame: FrameInfo) => void
  /** Called when something changes that a visitor may want to know. */
  onState?: (state: PlayerState) => void
}

/** An effect that plays. */
export interface EffectPlayer {
  /** Left of this part of the canvas's width, 0 to 1, the source is shown as it is; undefined shows the effect everywhere. */
  split: number | undefined
  /**
   * How much of the effect is laid over the source, 0 to 1: a strength for effects whose student takes none. Costs nothing.
   * Default 1.
   */
  mix: number
  /** Whether the canvas is a mirror, as visitors expect of their own faces. Default false. */
  mirror: boolean
  /**
   * Goes on with another effect, from the next frame on; until that is painted the last one stays. The effect before stays
   * the caller's.
   *
   * @returns whether a frame of it was painted; `false` when the player stopped or went on to yet another before.
   * @throws FxError `invalid-argument` for what is no effect.
   */
  use(effect: Effect): Promise<boolean>
  stats(): PlayerStats
  /**
   * The canvas as a video track, to record or to send. It ends with the player.
   *
   * @param frameRate at most so many frames in a second. Default: each that is painted.
   * @throws FxError `unsupported` for an OffscreenCanvas, and where the browser cannot.
   */
  track(frameRate?: number): MediaStreamTrack
  stop(): void
  /**
   * Resolves when the player was stopped, its source has ended or its effect was disposed; rejects with the error that
   * ended it, of which `onState` tells, too.
   */
  readonly done: Promise<void>
}
