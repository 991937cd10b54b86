import { percentile } from '../player/stage-times.js'

/** One way to run an effect. */
export interface QualityLevel {
  /** Which of the bundle's students, 0 the full one. */
  size: number
  /** Faces are looked for on every such frame. */
  detectEvery: number
  /** Most frames in a second; undefined for every frame of the source. */
  frameRate: number | undefined
}

/** A step that the controller asks for: to `level`, one above or below the present one. */
interface QualityMove {
  level: number
  /** One sentence with the figures. */
  reason: string
}

export interface QualityController {
  /** Index of the present level, 0 the best. */
  readonly level: number
  /** The time that a frame took, and the clock, ms. Gives a move when one is due; it counts once `moved` says so. */
  add(frameMs: number, now: number): QualityMove | undefined
  /** The move was made. */
  moved(level: number, now: number): void
  /** That level cannot be had (its student does not load) and is passed over from now on. */
  exclude(level: number): void
}

/** Frames over which times are judged, so that one stall is not taken for a slow device. */
const windowFrames = 60
/** Fewer do where these many take this long: a device that needs seconds for the window is slow beyond doubt. */
const fewestFrames = 10
const longEnoughMs = 1500
/** Every so many frames the times are judged. */
const judgedEvery = 5
/** Frames after a move that are not counted: a student's first run is slower. */
const settlingFrames = 3
/** The part of the budget that the better level may be expected to need, at most. */
const roomPart = 0.8
/** How long there must have been room before a step up. It doubles, up to the longest, when a step up did not last. */
const firstHoldMs = 5000
const longestHoldMs = 300_000
const lastedMs = 120_000

/**
 * The levels of an effect, the best first: look for faces less often, then smaller students, then a lower rate.
 *
 * @param sizes number of the bundle's students.
 */
export const qualityLevels = (sizes: number, faces: boolean, budgetMs: number): QualityLevel[] => {
  const often = faces ? [1, 2, 4] : [1]
  const levels: QualityLevel[] = often.map(detectEvery => ({ size: 0, detectEvery, frameRate: undefined }))
  const add = (change: Partial<QualityLevel>): void => void levels.push({ ...levels.at(-1)!, ...change })
  for (let size = 1; size < sizes; size++) add({ size })
  for (const part of [2 / 3, 1 / 2, 1 / 3]) add({ frameRate: Math.max(1, Math.round((1000 / budgetMs) * part)) })
  return levels
}

/**
 * Holds the time of a frame within a budget: a step down when most of the last frames were too slow, a step up when there
 * has been room for long. What a step down gained is remembered, so that a step up is tried only where the better level
 * would fit; and each step up that does not last doubles the time until the next, so that no device makes it swing.
 */
export const createQualityController = (levels: readonly QualityLevel[], budgetMs: number): QualityController => {
  const usable = levels.map(() => true)
  /** How many times as long a frame takes on the level above, as seen when it was left. */
  const gain = levels.map(() => 1)
  let holdMs = firstHoldMs
  let level = 0
  let times: number[] = []
  let settling = settlingFrames
  let spentMs = 0
  let frames = 0
  let roomSince: number | undefined
  /** p50 of the level that was left downwards, until the new level has its own. */
  let before: { level: number; p50: number } | undefined
  let raisedAt = Number.NEGATIVE_INFINITY

  const limitOf = (index: number): number =>
    Math.max(budgetMs, 1000 / (levels[index]!.frameRate ?? Number.POSITIVE_INFINITY))
  const next = (from: number, step: 1 | -1): number | undefined => {
    for (let i = from + step; i >= 0 && i < levels.length; i += step) if (usable[i]) return i
    return undefined
  }
  const ms = (value: number): string => `${value.toFixed(1)} ms`
  const enough = (): boolean =>
    times.length >= windowFrames || (times.length >= fewestFrames && spentMs >= longEnoughMs)

  const slower = (): QualityMove | undefined => {
    const p75 = percentile(times, 0.75)
    const limit = limitOf(level)
    const below = next(level, 1)
    if (p75 <= limit || below === undefined) return undefined
    return {
      level: below,
      reason: `a quarter of the last ${times.length} frames took ${ms(p75)} or more, allowed are ${ms(limit)}`,
    }
  }

  const faster = (now: number): QualityMove | undefined => {
    const above = next(level, -1)
    if (above === undefined) return undefined
    const expected = percentile(times, 0.9) * gain[level]!
    const allowed = limitOf(above) * roomPart
    if (expected > allowed) {
      roomSince = undefined
      return undefined
    }
    roomSince ??= now
    if (now - roomSince < holdMs) return undefined
    return { level: above, reason: `frames would take ${ms(expected)}, with room up to ${ms(allowed)}` }
  }

  return {
    get level() {
      return level
    },
    add: (frameMs, now) => {
      if (settling > 0) {
        settling--
        return undefined
      }
      times.push(frameMs)
      spentMs += frameMs
      if (times.length > windowFrames) times.shift()
      if (++frames % judgedEvery > 0 || !enough()) return undefined
      if (before !== undefined) {
        if (next(before.level, 1) === level) gain[level] = Math.max(1, before.p50 / percentile(times, 0.5))
        before = undefined
      }
      return slower() ?? faster(now)
    },
    moved: (to, now) => {
      if (to > level) {
        before = { level, p50: percentile(times, 0.5) }
        holdMs = now - raisedAt < lastedMs ? Math.min(longestHoldMs, holdMs * 2) : Math.max(firstHoldMs, holdMs / 2)
      } else {
        raisedAt = now
        before = undefined
      }
      level = to
      times = []
      spentMs = 0
      settling = settlingFrames
      roomSince = undefined
    },
    exclude: index => {
      usable[index] = false
    },
  }
}
