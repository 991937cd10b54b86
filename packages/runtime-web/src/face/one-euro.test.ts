import { seededRandom } from '@fx/core'
import { expect, test } from 'vitest'
import { difference, oneEuro, turn } from './one-euro.js'

const options = { minCutoff: 0.1, beta: 20, speedCutoff: 0.5, deadBand: 0.2, catchUp: 0.05 }
const frameMs = 1000 / 30

const filterOne = (minus = difference, options_ = options) => {
  const filter = oneEuro([minus], options_)
  let timeMs = -frameMs
  return (value: number): number => {
    timeMs += frameMs
    filter.add([value], timeMs, [1])
    return filter.at(timeMs)[0]!
  }
}

test('without a dead band, a lag to make up for or a second value it is the filter of the paper, step by step', () => {
  const { minCutoff, beta, speedCutoff } = { minCutoff: 1, beta: 0.5, speedCutoff: 1 }
  const filter = oneEuro([difference], { minCutoff, beta: 0, speedCutoff, deadBand: 0, catchUp: 1e9 })
  const low = (cutoff: number): number => {
    const tau = 1 / (2 * Math.PI * cutoff)
    return 1 / (1 + tau / 0.1)
  }
  let expected = 3
  filter.add([3], 0, [1])
  for (const [i, value] of [5, -1, 2, 2, 8].entries()) {
    filter.add([value], (i + 1) * 100, [1])
    expected += low(minCutoff) * (value - expected)
    expect(filter.at((i + 1) * 100)[0]).toBeCloseTo(expected, 9)
  }
  // With beta the cutoff is minCutoff + beta |speed|: of a single step of 2 in 0.1 s, through the low pass of the speed.
  const quick = oneEuro([difference], { minCutoff, beta, speedCutoff: 1e9, deadBand: 0, catchUp: 1e9 })
  quick.add([0], 0, [1])
  quick.add([2], 100, [1])
  const share = low(minCutoff + beta * 20)
  const madeUp = (((beta * 20) / (minCutoff + beta * 20)) * 20 * 0.1 * (1 - share)) / share
  expect(quick.at(100)[0]).toBeCloseTo(2 * share + madeUp, 6)
})

test('the first value passes, a constant stays, and what is not later is ignored', () => {
  const next = filterOne()
  expect(next(5)).toBe(5)
  for (let i = 0; i < 30; i++) expect(next(5)).toBe(5)
  const filter = oneEuro([difference], options)
  filter.add([5], 100, [1])
  filter.add([9], 100, [1])
  filter.add([9], 50, [1])
  expect(filter.at(100)).toEqual([5])
})

test('noise around a constant is four times less', () => {
  const random = seededRandom('one euro')
  const next = filterOne()
  let [before, after] = [0, 0]
  for (let i = 0; i < 1000; i++) {
    const value = 0.005 * random.normal()
    const filtered = next(value)
    if (i < 100) continue
    before += value ** 2
    after += filtered ** 2
  }
  expect(Math.sqrt(before / after)).toBeGreaterThan(4)
})

test('what moves steadily is followed: at once when it is fast, within a fiftieth of a unit when it creeps', () => {
  for (const speed of [0.02, 0.05, 0.1, 0.2, 1, 5, 20]) {
    const next = filterOne()
    let worst = 0
    for (let i = 0; i < 300; i++) {
      const off = Math.abs(next((i * speed) / 30) - (i * speed) / 30)
      if (i > 10) worst = Math.max(worst, off)
    }
    expect(worst, `at ${speed}`).toBeLessThan(speed <= 0.2 ? 0.02 : 0.001)
  }
})

test('it carries on at the speed between measurements', () => {
  const filter = oneEuro([difference], options)
  for (let i = 0; i < 30; i++) filter.add([i], i * 100, [1])
  expect(filter.at(2967)[0]).toBeCloseTo(29.67, 1)
})

test('speed is measured in the unit given', () => {
  const small = oneEuro([difference], options)
  const large = oneEuro([difference], options)
  for (let i = 0; i < 20; i++) {
    small.add([Math.sin(i)], i * 33, [1])
    large.add([200 * Math.sin(i)], i * 33, [200])
  }
  expect(large.at(700)[0]).toBeCloseTo(200 * small.at(700)[0]!, 9)
})

test('an angle goes the short way round', () => {
  expect(turn(3, -3)).toBeCloseTo(6 - 2 * Math.PI, 12)
  expect(turn(-3, 3)).toBeCloseTo(2 * Math.PI - 6, 12)
  expect(turn(0.5, 0.25)).toBe(0.25)
  const next = filterOne(turn)
  let worst = 0
  for (let i = 0; i < 200; i++) {
    const angle = 2.5 + i / 60
    const filtered = next(turn(angle, 0))
    if (i > 30) worst = Math.max(worst, Math.abs(turn(filtered, angle)))
  }
  expect(worst).toBeLessThan(0.02)
})
