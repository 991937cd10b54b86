import { expect, test } from 'vitest'
import { parseSchedulerConfig, sampler, schedulerConfigJson } from '../../imagen.js'

/** As in the repository of DeepFloyd IF's first stage. */
const published = {
  _class_name: 'DDPMScheduler',
  _diffusers_version: '0.16.0.dev0',
  beta_end: 0.02,
  beta_schedule: 'squaredcos_cap_v2',
  beta_start: 0.0001,
  clip_sample: true,
  clip_sample_range: 1.0,
  dynamic_thresholding_ratio: 0.95,
  num_train_timesteps: 1000,
  prediction_type: 'epsilon',
  sample_max_value: 1.5,
  thresholding: true,
  trained_betas: null,
  variance_type: 'learned_range',
}

test('a published configuration is read, and written so that it reads the same', () => {
  const config = parseSchedulerConfig(published)
  expect(config).toMatchObject({
    betaSchedule: 'squaredcos_cap_v2',
    varianceType: 'learned_range',
    thresholding: true,
    dynamicThresholdingRatio: 0.95,
    sampleMaxValue: 1.5,
    timestepSpacing: 'leading',
    lambdaMinClipped: -5.1,
  })
  const json = JSON.parse(JSON.stringify(schedulerConfigJson(config)))
  expect(json).toMatchObject({ _class_name: 'DDPMScheduler', sample_max_value: 1.5, num_train_timesteps: 1000 })
  expect(parseSchedulerConfig(json)).toEqual(config)
})

test("the defaults are those of diffusers' own class", () => {
  expect(parseSchedulerConfig({})).toMatchObject({
    betaSchedule: 'linear',
    clipSample: true,
    varianceType: 'fixed_small',
    lambdaMinClipped: null,
  })
  expect(
    parseSchedulerConfig({ _class_name: 'DPMSolverMultistepScheduler', beta_schedule: 'squaredcos_cap_v2' }),
  ).toMatchObject({ clipSample: false, timestepSpacing: 'linspace', lambdaMinClipped: null })
  expect(parseSchedulerConfig({ variance_type: null }).varianceType).toBe('fixed_small')
})

test.each([
  ['corrupt-file', [], /object/],
  ['corrupt-file', null, /object/],
  ['corrupt-file', { beta_start: '0' }, /beta_start/],
  ['invalid-argument', { beta_schedule: 'sigmoid' }, /"sigmoid".*'squaredcos_cap_v2'/],
  ['invalid-argument', { num_train_timesteps: 1e9 }, /numTrainTimesteps/],
  ['invalid-argument', { sample_max_value: 0.5 }, /sampleMaxValue/],
  ['invalid-argument', { variance_type: 'learned' }, /varianceType/],
  ['invalid-argument', { prediction_type: 'flow' }, /predictionType/],
  ['unsupported', { trained_betas: [0.1] }, /trained_betas/],
  ['unsupported', { rescale_betas_zero_snr: true }, /rescale_betas_zero_snr true.*false/],
  ['unsupported', { algorithm_type: 'sde-dpmsolver++' }, /sde.*"dpmsolver\+\+"/],
  ['unsupported', { use_karras_sigmas: true }, /karras/],
  ['unsupported', { solver_order: 3 }, /solver_order 3.*2/],
] as const)('%s: %j', (code, json, message) => {
  expect(() => parseSchedulerConfig(json)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(message) }),
  )
})

test('a sampler needs no tensor to be made', () => {
  const { timesteps, scales, kind } = sampler(parseSchedulerConfig(published), { kind: 'ddpm', steps: 4 })
  expect({ timesteps, kind }).toEqual({ timesteps: [750, 500, 250, 0], kind: 'ddpm' })
  expect(scales).toHaveLength(5)
  expect(scales.at(-1)).toEqual({ alpha: 1, sigma: 0 })
})
