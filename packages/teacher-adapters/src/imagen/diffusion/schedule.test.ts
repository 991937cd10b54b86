import { readFileSync } from 'node:fs'
import { openCheckpoint } from '@fx/weights'
import { expect, test } from 'vitest'
import { readArrays } from '../../../test/imagen.js'
import {
  continuousLogSnr,
  discreteSchedule,
  logSnrOf,
  minSnrWeight,
  posterior,
  sampler,
  scaleOfLogSnr,
} from '../../imagen.js'

/** A column of float64 values, which `readArrays` would round. */
const readTables = async (): Promise<(name: string) => Float64Array> => {
  const file = new URL('../../../fixtures/diffusion/schedule_tables.safetensors', import.meta.url)
  const { tensors } = await openCheckpoint(readFileSync(file))
  const loaded = new Map<string, Float64Array>()
  for (const [name, tensor] of tensors) loaded.set(name, (await tensor.load()) as Float64Array)
  return name => loaded.get(name)!
}

const expectTable = (actual: readonly number[], expected: Float64Array, stride: number): void => {
  const kept = actual.filter((_, t) => t % stride === 0)
  expect(kept).toHaveLength(expected.length)
  kept.forEach((value, i) => {
    expect(Math.abs(value - expected[i]!), `at ${i * stride}`).toBeLessThanOrEqual(
      1e-15 + 1e-9 * Math.abs(expected[i]!),
    )
  })
}

test.each([
  ['squaredcos_cap_v2', 'cosine1000', 1],
  ['linear', 'linear1000', 7],
] as const)('the tables of the schedule %s', async (betaSchedule, name, stride) => {
  const table = await readTables()
  const { betas, alphasCumprod, scaleAt } = discreteSchedule({ betaSchedule })
  expectTable(betas, table(`${name}.betas`), stride)
  expectTable(alphasCumprod, table(`${name}.alphas_cumprod`), stride)
  const steps = betas.map((_, t) => posterior(scaleAt(t), scaleAt(t - 1)))
  const column = (of: (step: (typeof steps)[number]) => number) => steps.map(of)
  expectTable(
    column(step => step.variance),
    table(`${name}.posterior_variance`),
    stride,
  )
  // The original clips the first, which is zero, to the second.
  const logs = steps.map((_, t) => Math.log(steps[Math.max(1, t)]!.variance))
  expectTable(logs, table(`${name}.posterior_log_variance_clipped`), stride)
  expectTable(
    column(step => step.x0Weight),
    table(`${name}.posterior_mean_coef1`),
    stride,
  )
  expectTable(
    column(step => step.xWeight),
    table(`${name}.posterior_mean_coef2`),
    stride,
  )
})

test.each(['cosine', 'linear'] as const)('log-SNR, alpha and sigma in continuous time: %s', async schedule => {
  const golden = await readArrays('continuous_time')
  const column = (name: string) => golden.get(`${schedule}.${name}`)!.data
  golden.get('t')!.data.forEach((t, i) => {
    const logSnr = continuousLogSnr(schedule, t)
    const scale = scaleOfLogSnr(logSnr)
    if (t > 0.01 && t < 0.99) {
      const expected = column('log_snr')[i]!
      expect(Math.abs(logSnr - expected)).toBeLessThanOrEqual(1e-4 + 1e-4 * Math.abs(expected))
      expect(logSnrOf(scale)).toBeCloseTo(logSnr, 6)
    }
    expect(Math.abs(scale.alpha - column('alpha')[i]!)).toBeLessThanOrEqual(1e-5)
    expect(Math.abs(scale.sigma - column('sigma')[i]!)).toBeLessThanOrEqual(1e-5)
  })
  if (schedule === 'cosine') expect(continuousLogSnr('cosine', 1)).toBeLessThanOrEqual(-30)
})

test('min-SNR weights', async () => {
  const golden = await readArrays('continuous_time')
  golden.get('minsnr.snr')!.data.forEach((snr, i) => {
    const scale = scaleOfLogSnr(Math.log(snr))
    for (const [name, type] of [
      ['noise', 'epsilon'],
      ['x_start', 'sample'],
      ['v', 'v_prediction'],
    ] as const) {
      expect(minSnrWeight(type, scale) / golden.get(`minsnr.weight_${name}`)!.data[i]!).toBeCloseTo(1, 5)
    }
  })
})

test('what is out of range is refused by name', () => {
  const refusal = (message: RegExp) =>
    expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) })
  expect(() => discreteSchedule({ betaSchedule: 'cosine' as never })).toThrow(refusal(/"cosine".*'squaredcos_cap_v2'/))
  expect(() => discreteSchedule({ betaSchedule: 'linear', betaStart: 0.5, betaEnd: 0.1 })).toThrow(refusal(/betaEnd/))
  expect(() => discreteSchedule({ betaSchedule: 'linear' }).scaleAt(1000)).toThrow(refusal(/1000.*999/))
  expect(() => continuousLogSnr('cosine', 1.1)).toThrow(refusal(/1\.1/))
  expect(() => posterior(scaleOfLogSnr(2), scaleOfLogSnr(0))).toThrow(refusal(/more noise/))
  expect(() => sampler({}, { kind: 'heun' as never })).toThrow(refusal(/"heun".*'dpm-solver\+\+'/))
  expect(() => sampler({}, { kind: 'ddim', eta: 2 })).toThrow(refusal(/eta is 2/))
  expect(() => sampler({}, { kind: 'ddpm', steps: 0 })).toThrow(refusal(/steps is 0/))
  expect(() => sampler({}, { kind: 'dpm-solver++', steps: 1000 })).toThrow(refusal(/steps is 1000/))
  expect(() => sampler({}, { kind: 'ddpm', steps: 10, timesteps: [5, 0] })).toThrow(refusal(/either/))
})
