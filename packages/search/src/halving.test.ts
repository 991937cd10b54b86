import { expect, test } from 'vitest'
import { successiveHalving, trainings } from './halving.js'

test('the better half goes on, those kept are trained to the end, and the count is known before', async () => {
  const asked: string[] = []
  const goodness: Record<string, number> = { a: 5, b: 1, c: 4, d: 2, e: 3, x: 9 }
  const trials = await successiveHalving({
    contenders: ['a', 'b', 'c', 'd', 'e'],
    kept: ['x'],
    rungs: [10, 20, 40],
    eta: 2,
    train: async (contender, step) => {
      asked.push(`${contender}${step}`)
      return goodness[contender]! / step
    },
  })
  expect(asked).toEqual(['a10', 'b10', 'c10', 'd10', 'e10', 'x10', 'b20', 'd20', 'e20', 'x20', 'b40', 'd40', 'x40'])
  expect(trainings(5, 1, 3, 2)).toBe(asked.length)
  expect(trials.filter(({ figures }) => figures.length === 3).map(({ contender }) => contender)).toEqual([
    'b',
    'd',
    'x',
  ])
})

test('a figure that is not a number loses, ties keep their order, one rung compares nothing', async () => {
  const figures: Record<string, number> = { a: Number.NaN, b: 1, c: 1 }
  const train = async (contender: string) => figures[contender]!
  const trials = await successiveHalving({ contenders: ['a', 'b', 'c'], rungs: [1, 3], eta: 3, train })
  expect(trials.map(trial => trial.figures.length)).toEqual([1, 2, 1])
  expect(trials[0]!.figures[0]!.figure).toBe(Number.POSITIVE_INFINITY)
  const once = await successiveHalving({ contenders: ['a', 'b'], rungs: [3], eta: 2, train })
  expect(once.map(trial => trial.figures.length)).toEqual([1, 1])
})
