import { expect, test } from 'vitest'
import { paretoFront, paretoSvg } from './pareto.js'
import type { FoundCandidate } from './search.js'
import { searchCsv } from './table.js'

const found = (id: string, finalMs: number, figure: number): FoundCandidate => ({
  id,
  choice: { encoder: { width: 0.5 }, decoder: { channels: [8, 4], skip: 'add' }, head: 'alpha' },
  specHash: id,
  mmacs: 1.5,
  parameters: 1000,
  predictedMs: 2,
  figures: [{ step: 10, figure }],
  finalMs,
})

test('the front has what nothing beats in both', () => {
  const points = [found('a', 3, 1), found('b', 1, 3), found('c', 2, 3), found('d', 2, 2), found('e', 4, 1)]
  expect(
    paretoFront(points.map(({ id, finalMs, figures }) => ({ id, ms: finalMs!, figure: figures[0]!.figure }))).map(
      ({ id }) => id,
    ),
  ).toEqual(['b', 'd', 'a'])
})

test('the picture has every finalist and the budget, also when there is one, or when one never learned', () => {
  const budget = { budgetMs: 3, tolerance: 0.1 }
  const several = [found('a', 3, 1), found('preset-<b>', 1, 3), found('lost', 2, Number.POSITIVE_INFINITY)]
  const svg = paretoSvg(several, several[0]!, budget)
  expect(svg.match(/<circle/g)).toHaveLength(2)
  expect(svg).toContain('budget 3.00 ms')
  expect(svg).toContain('preset-&lt;b>')
  for (const points of [several.slice(0, 1), several.slice(2)]) {
    expect(paretoSvg(points, points[0]!, budget)).not.toMatch(/NaN|Infinity|undefined/)
  }
})

test('the table has a row for each candidate, and what is not known is empty', () => {
  const { finalMs, ...unmeasured } = { ...found('b', 1, 2), figures: [] }
  const best = found('a', 3, 1)
  expect(searchCsv([best, unmeasured], best).split('\n')).toEqual([
    'id,encoder.width,decoder.channels,decoder.skip,head,mmacs,parameters,predicted_ms,measured_ms,final_ms,steps,figure,best',
    'a,0.5,8 4,add,alpha,1.50,1000,2.000,,3.000,10,1.00000,true',
    'b,0.5,8 4,add,alpha,1.50,1000,2.000,,,,,false',
    '',
  ])
})
