import { seededRandom } from '@fx/core'
import { describe, expect, test } from 'vitest'
import { createQualityController, type QualityLevel, qualityLevels } from './controller.js'

const budgetMs = 1000 / 30
const levels = qualityLevels(3, true, budgetMs)

test('first faces are looked for less often, then the student shrinks, then the rate falls', () => {
  expect(levels).toEqual([
    { size: 0, detectEvery: 1, frameRate: undefined },
    { size: 0, detectEvery: 2, frameRate: undefined },
    { size: 0, detectEvery: 4, frameRate: undefined },
    { size: 1, detectEvery: 4, frameRate: undefined },
    { size: 2, detectEvery: 4, frameRate: undefined },
    { size: 2, detectEvery: 4, frameRate: 20 },
    { size: 2, detectEvery: 4, frameRate: 15 },
    { size: 2, detectEvery: 4, frameRate: 10 },
  ])
  expect(qualityLevels(1, false, budgetMs).map(({ frameRate }) => frameRate)).toEqual([undefined, 20, 15, 10])
})

/** ms of a frame on a device whose full student takes `student`. */
const cost = ({ size, detectEvery }: QualityLevel, student: number, detect = 8): number =>
  3 + student / [1, 1.8, 4][size]! + detect / detectEvery

interface Run {
  seconds: number
  /** ms of a frame at that level and time. */
  device(level: QualityLevel, seconds: number, normal: () => number): number
  excluded?: number
  seed?: number
}

const simulate = ({ seconds, device, excluded, seed = 1 }: Run) => {
  const random = seededRandom('device', seed)
  const controller = createQualityController(levels, budgetMs)
  const visits = [{ level: 0, at: 0 }]
  for (let now = 0; now < seconds * 1000; ) {
    const level = levels[controller.level]!
    const ms = device(level, now / 1000, () => random.normal())
    now += Math.max(ms, 1000 / (level.frameRate ?? 30))
    const move = controller.add(ms, now)
    if (move === undefined) continue
    expect(Math.abs(move.level - controller.level)).toBeLessThanOrEqual(excluded === undefined ? 1 : 2)
    expect(move.reason).toMatch(/\d ms/)
    if (move.level === excluded) controller.exclude(move.level)
    else {
      controller.moved(move.level, now)
      visits.push({ level: move.level, at: now / 1000 })
    }
  }
  return { level: controller.level, visits, moves: visits.length - 1 }
}

/** The best level whose frames fit, when they take `factor` times as long. */
const bestFor = (student: number, factor = 1): number =>
  levels.findIndex(level => cost(level, student) * factor <= 1000 / (level.frameRate ?? 30))

describe.each([0, 0.05, 0.15])('noise of %f', noise => {
  const noisy = (ms: number, normal: () => number): number => ms * Math.exp(noise * normal())

  test.each([5, 20, 25, 30, 45, 90])('a student of %i ms settles on the best level that fits', student => {
    const { level, moves } = simulate({
      seconds: 300,
      device: (level, _, normal) => noisy(cost(level, student), normal),
      seed: student,
    })
    expect(level).toBeGreaterThanOrEqual(bestFor(student))
    expect(level).toBeLessThanOrEqual(bestFor(student, Math.exp(1.3 * noise)))
    expect(moves).toBe(level)
  })

  test('a device that is slowed and freed goes down and comes back', () => {
    const slowed = (seconds: number): number => (seconds > 60 && seconds < 120 ? 60 : 12)
    const { level, visits } = simulate({
      seconds: 300,
      device: (level, seconds, normal) => noisy(cost(level, slowed(seconds)), normal),
    })
    expect(Math.max(...visits.map(visit => visit.level))).toBe(bestFor(60))
    expect(visits.filter(visit => visit.at < 60)).toHaveLength(1)
    expect(level).toBe(0)
    expect(visits).toHaveLength(1 + 2 * bestFor(60))
  })
})

test('nothing that a device does makes it swing', () => {
  /** Slow waves around the budget, the worst that can be met. */
  for (const period of [4, 15, 40, 100]) {
    const { moves } = simulate({
      seconds: 1200,
      device: (level, seconds, normal) =>
        cost(level, 24 * (1 + 0.3 * Math.sin((2 * Math.PI * seconds) / period))) * Math.exp(0.05 * normal()),
    })
    expect(moves, `period ${period}`).toBeLessThanOrEqual(16)
  }
})

test('a stall now and then is no slow device', () => {
  let frame = 0
  const { moves } = simulate({
    seconds: 120,
    device: level => (frame++ % 8 === 0 ? 120 : cost(level, 15)),
  })
  expect(moves).toBe(0)
})

test('a student that does not load is passed over', () => {
  const { level, visits } = simulate({ seconds: 60, device: level => cost(level, 45), excluded: 3 })
  expect(visits.map(visit => visit.level)).not.toContain(3)
  expect(level).toBe(4)
})

test('a device too slow for everything ends at the lowest rate within seconds', () => {
  const { level, visits } = simulate({ seconds: 60, device: () => 400 })
  expect(level).toBe(levels.length - 1)
  expect(visits.at(-1)!.at).toBeLessThan(45)
})
