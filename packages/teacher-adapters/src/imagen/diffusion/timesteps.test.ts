import { expect, test } from 'vitest'
import { readJson } from '../../../test/imagen.js'
import { discreteSchedule, posterior, respacedTimesteps, sampler, type TimestepSpacing } from '../../imagen.js'

const cosine = { betaSchedule: 'squaredcos_cap_v2' } as const

test('the respacings of DeepFloyd IF and the betas of what they leave', () => {
  const { scaleAt } = discreteSchedule(cosine)
  const golden = readJson('respacing') as Record<string, { timestep_map: number[]; betas: number[] }>
  expect(Object.keys(golden)).toHaveLength(6)
  for (const [respacing, { timestep_map, betas }] of Object.entries(golden)) {
    const kept = respacedTimesteps(respacing).reverse()
    expect(kept, respacing).toEqual(timestep_map)
    betas.forEach((beta, i) => {
      const before = scaleAt(kept[i - 1] ?? -1)
      expect(posterior(scaleAt(kept[i]!), before).beta / beta, respacing).toBeCloseTo(1, 9)
    })
  }
  expect(respacedTimesteps('smart27')).toEqual(respacedTimesteps('7,4,2,1,2,4,7'))
})

test("the timesteps of diffusers' schedulers", () => {
  const golden = readJson('diffusers_timesteps') as Record<string, Record<string, number[]>>
  for (const [steps, lists] of Object.entries(golden)) {
    expect(Object.keys(lists)).toHaveLength(5)
    for (const [name, expected] of Object.entries(lists)) {
      const [scheduler, spacing] = name.split('_') as ['ddpm' | 'ddim' | 'dpmpp', TimestepSpacing]
      const kind = scheduler === 'dpmpp' ? 'dpm-solver++' : scheduler
      const made = sampler({ ...cosine, lambdaMinClipped: null }, { kind, steps: Number(steps), spacing })
      expect(made.timesteps, `${steps} ${name}`).toEqual(expected)
    }
  }
})

test('DPM-Solver++ has the other spacings too, and starts where the picture begins to show', () => {
  const made = (spacing: TimestepSpacing) => sampler(cosine, { kind: 'dpm-solver++', steps: 5, spacing }).timesteps
  expect(made('linspace')).toEqual([995, 796, 597, 398, 199])
  expect(made('leading')).toEqual([830, 664, 498, 332, 166])
  expect(made('trailing')).toEqual([995, 795, 595, 395, 195])
})

test.each([
  ['', /not understood/],
  ['a', /not understood/],
  ['10,-1', /not understood/],
  ['1001', /1001 of 1000/],
  ['1,600', /600 of 500/],
  ['0,0', /no timestep/],
  ['ddim999', /no whole stride/],
])('the respacing %j is refused', (respacing, message) => {
  expect(() => respacedTimesteps(respacing)).toThrow(
    expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) }),
  )
})

test.each([[[]], [[0, 5]], [[5, 5]], [[1000]], [[1.5]], [[-1]], [[Number.NaN]]])(
  'the timesteps %j are refused',
  timesteps => {
    expect(() => sampler(cosine, { kind: 'ddpm', timesteps })).toThrow(/whole numbers that fall/)
  },
)
