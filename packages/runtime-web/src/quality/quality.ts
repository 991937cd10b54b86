import type { Size } from '../frame/frame.js'
import type { EffectInternals } from '../internals.js'
import { createQualityController, type QualityLevel, qualityLevels } from './controller.js'

/** How an effect runs. */
export interface QualityState {
  /** Of the student, pixels. */
  size: Size
  /** Faces are looked for on every such frame. */
  detectEvery: number
  /** Most frames in a second; undefined for every frame of the source. */
  frameRate: number | undefined
}

/** One step of the adaptive quality. */
export interface QualityChange {
  /** By `performance.now()`. */
  atMs: number
  from: QualityState
  to: QualityState
  /** One sentence with the figures. */
  reason: string
}

/** Holds an effect within a player's budget, opening the students that this takes. */
export interface Quality {
  readonly level: QualityLevel
  state(): QualityState
  /** A frame was painted. */
  add(frameMs: number, now: number): void
  /** Gives up the smaller student. */
  stop(): void
}

export interface QualityOptions {
  /** Of the bundle's students. */
  sizes: readonly Size[]
  faces: boolean
  budgetMs: number
  onChange(change: QualityChange): void
}

export const createQuality = (
  effect: Pick<EffectInternals, 'open' | 'close'>,
  { sizes, faces, budgetMs, onChange }: QualityOptions,
): Quality => {
  const levels = qualityLevels(sizes.length, faces, budgetMs)
  const controller = createQualityController(levels, budgetMs)
  let moving = false
  let stopped = false
  const present = (): QualityLevel => levels[controller.level]!
  const stateOf = (level: QualityLevel): QualityState => ({ ...level, size: sizes[level.size]! })
  const giveUp = ({ size }: QualityLevel): void => {
    if (size > 0) effect.close(size)
  }

  /** The student of the new level is opened beside that of the old, which runs on until then. */
  const move = async (index: number, reason: string): Promise<void> => {
    const [from, to] = [present(), levels[index]!]
    const another = to.size !== from.size
    try {
      if (another && to.size > 0) await effect.open(to.size)
    } catch {
      // It stays as it is; the controller asks for the next level when this one is still too slow.
      controller.exclude(index)
      moving = false
      return
    }
    moving = false
    if (another) giveUp(stopped ? to : from)
    if (stopped) return
    const now = performance.now()
    controller.moved(index, now)
    onChange({ atMs: now, from: stateOf(from), to: stateOf(to), reason })
  }

  return {
    get level() {
      return present()
    },
    state: () => stateOf(present()),
    add: (frameMs, now) => {
      if (moving || stopped) return
      const due = controller.add(frameMs, now)
      if (due === undefined) return
      moving = true
      void move(due.level, due.reason)
    },
    stop: () => {
      if (stopped) return
      stopped = true
      giveUp(present())
    },
  }
}
