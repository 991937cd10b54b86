import { type BackendName, prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  addNoise,
  continuousPath,
  type DiffusionUnet,
  discreteSchedule,
  guide,
  type NamedWeight,
  type NoiseScale,
  parseSchedulerConfig,
  posterior,
  predictionTarget,
  type Sampler,
  type SamplerOptions,
  sampler,
  samplerOn,
  thresholded,
  toX0,
} from '../../src/imagen.js'
import { expectClose, openUnet, readArrays, readJson, toNchw, toNhwc, toTensor } from '../imagen.js'

type Arrays = Map<string, NamedWeight>

interface Manifest {
  files: Record<string, { config: { scheduler: Record<string, unknown>; guidance: number } }>
}
const manifest = readJson('manifest') as Manifest

/** One entry of a golden's first axis, as an array of its own. */
const entry = ({ shape, data }: NamedWeight, index: number): NamedWeight => {
  const size = shape.slice(1).reduce((a, b) => a * b, 1)
  return { shape: shape.slice(1), data: data.slice(index * size, (index + 1) * size) }
}

/** Answers with and without the prompt for x at a step. */
type Model = (x: tf.Tensor4D, index: number) => { conditional: tf.Tensor4D; unconditional: tf.Tensor4D }

interface Trajectory {
  golden: Arrays
  run: Sampler
  model: Model
  guidance: number
  tolerance: { atol: number; rtol: number }
}

/** Follows a trajectory from its start on its own predictions; every step must be that of the reference. */
const follow = ({ golden, run, model, guidance, tolerance }: Trajectory): void => {
  const start = toNhwc(entry(golden.get('x')!, 0))
  const channels = start.shape[3]
  let state: { x: tf.Tensor4D; x0?: tf.Tensor4D } = { x: start }
  for (let index = 0; index < run.timesteps.length; index++) {
    const { conditional, unconditional } = model(state.x, index)
    const noise = golden.get('noise')
    state = run.step({
      output: guidance === 1 ? conditional : guide(conditional, unconditional, guidance, channels),
      x: state.x,
      index,
      ...(noise && { noise: toNhwc(entry(noise, index)) }),
      ...(state.x0 && { previous: state.x0 }),
    })
    expectClose(toNchw(state.x), entry(golden.get('x')!, index + 1), tolerance)
    if (golden.has('x0')) expectClose(toNchw(state.x0!), entry(golden.get('x0')!, index), tolerance)
  }
}

const schedule = discreteSchedule({ betaSchedule: 'squaredcos_cap_v2' })

/** The golden's model that is solved on paper: Gaussians around two pictures. */
const analyticModel = (arrays: Arrays, scaleOf: (index: number) => NoiseScale, variances: boolean): Model => {
  const field = (name: string) => tf.expandDims(tf.transpose(toTensor(arrays.get(name)!), [1, 2, 0]), 0) as tf.Tensor4D
  const [muCond, muUncond, variance] = [field('mu_cond'), field('mu_uncond'), field('variance_field')]
  return (x, index) => {
    const { alpha, sigma } = scaleOf(index)
    const epsilon = (mu: tf.Tensor4D, s: number) =>
      tf.mul<tf.Tensor4D>(tf.sub(x, tf.mul(mu, alpha)), sigma / (alpha ** 2 * s ** 2 + sigma ** 2))
    const withVariance = (output: tf.Tensor4D, scale: number): tf.Tensor4D =>
      variances ? tf.concat([output, tf.add<tf.Tensor4D>(tf.zerosLike(x), tf.mul(variance, scale))], 3) : output
    return {
      conditional: withVariance(epsilon(muCond, 0.25), 1),
      unconditional: withVariance(epsilon(muUncond, 0.6), -0.5),
    }
  }
}

const unetModel = (unet: DiffusionUnet, run: Sampler, inputs: Arrays, noiseLevel?: number): Model => {
  const text = (name: string) => toTensor(inputs.get(name)!) as tf.Tensor3D
  const [cond, uncond] = [text('text_cond'), text('text_uncond')]
  const below = inputs.has('low_res_noisy') ? toNhwc(inputs.get('low_res_noisy')!) : undefined
  return (x, index) => {
    const input = below ? tf.concat([x, below], 3) : x
    const ask = (words: tf.Tensor3D) =>
      unet.predict(input, [run.timesteps[index]!], {
        text: words,
        ...(noiseLevel !== undefined && { noiseLevel: [noiseLevel] }),
      })
    return { conditional: ask(cond), unconditional: ask(uncond) }
  }
}

const configOf = (name: string) => {
  const { scheduler, guidance } = manifest.files[`${name}.safetensors`]!.config
  return { config: parseSchedulerConfig({ ...scheduler, _class_name: scheduler.scheduler }), guidance }
}

const DDIM = { kind: 'ddim', useClippedModelOutput: false } as const

/** Schedules, predictions, thresholds and every sampler, step by step, against their original code. */
export const diffusionSuite = (backend: BackendName): void => {
  let tensors = 0
  let uninstall: () => void
  beforeAll(async () => {
    await prepareBackend({ backend, threads: 1 })
    uninstall = await installTrainingKernels()
  })
  afterAll(() => uninstall())
  beforeEach(() => {
    tensors = tf.memory().numTensors
    tf.engine().startScope()
  })
  afterEach(() => {
    tf.engine().endScope()
    expect(tf.memory().numTensors).toBe(tensors)
  })

  const chosen = (golden: Arrays) => Array.from(golden.get('timesteps')!.data)

  test.each<[string, SamplerOptions, number]>([
    ['ddpm_learned_range_dynamic', { kind: 'ddpm' }, 2e-3],
    ['ddpm_stage2_static', { kind: 'ddpm' }, 2e-3],
    ['ddpm_fixed_small_noguidance', { kind: 'ddpm' }, 2e-3],
    ['ddpm_custom_timesteps', { kind: 'ddpm', timesteps: [999, 950, 800, 600, 400, 200, 100, 50, 20, 0] }, 2e-3],
    ['ddim_eta0_dynamic', DDIM, 0.01],
    ['ddim_eta0_clipped_eps', { kind: 'ddim' }, 0.01],
    ['ddim_eta07', { ...DDIM, eta: 0.7 }, 0.01],
    ['dpmpp2m_dynamic', { kind: 'dpm-solver++' }, 2e-3],
    ['dpmpp2m_few_steps', { kind: 'dpm-solver++' }, 2e-3],
    ['dpmpp2m_no_threshold_sigma_min', { kind: 'dpm-solver++' }, 2e-3],
  ])('the trajectory %s', async (name, options, atol) => {
    const golden = await readArrays(`traj.${name}`)
    const { config, guidance } = configOf(`traj.${name}`)
    const timesteps = chosen(golden)
    const run = sampler(config, { ...(!options.timesteps && { steps: timesteps.length }), ...options })
    expect(run.timesteps).toEqual(timesteps)
    const arrays = await readArrays('analytic_model')
    const scaleOf = (index: number) => schedule.scaleAt(timesteps[index]!)
    const model = analyticModel(arrays, scaleOf, config.varianceType === 'learned_range')
    follow({ golden, run, model, guidance, tolerance: { atol, rtol: 1e-3 } })
  })

  test('the trajectory if_p_sample_respaced', async () => {
    const golden = await readArrays('traj.if_p_sample_respaced')
    const config = {
      betaSchedule: 'squaredcos_cap_v2',
      varianceType: 'learned_range',
      thresholding: true,
      dynamicThresholdingRatio: 0.95,
      sampleMaxValue: 1.5,
    } as const
    const run = sampler(config, { kind: 'ddpm', timesteps: '4,3,2,3' })
    expect(run.timesteps).toEqual(Array.from(golden.get('original_timesteps')!.data))
    const model = analyticModel(await readArrays('analytic_model'), index => run.scales[index]!, true)
    follow({ golden, run, model, guidance: 5, tolerance: { atol: 0.02, rtol: 2e-3 } })
  })

  test('the trajectory dpm_solver_reference, along scales given from outside', async () => {
    const golden = await readArrays('traj.dpm_solver_reference')
    const [alpha, sigma] = ['alpha', 'sigma'].map(name => golden.get(name)!.data)
    const scales = Array.from(alpha!, (value, i) => ({ alpha: value, sigma: sigma![i]! }))
    const run = samplerOn(
      { timesteps: Array.from(golden.get('t')!.data).slice(0, -1), scales },
      {
        kind: 'dpm-solver++',
        predictionType: 'epsilon',
        firstOrderFinal: false,
        threshold: { kind: 'dynamic', percentile: 0.95, max: Number.POSITIVE_INFINITY },
      },
    )
    const model = analyticModel(await readArrays('analytic_model'), index => scales[index]!, false)
    follow({ golden, run, model, guidance: 3, tolerance: { atol: 2e-3, rtol: 1e-3 } })
  })

  describe.each(['cosine', 'linear'] as const)('continuous time, %s', kind => {
    const openContinuous = async () => {
      const golden = await readArrays('continuous_time')
      const get = (name: string) => golden.get(name) ?? golden.get(`${kind}.${name}`)!
      return { get, image: (name: string) => toNhwc(get(name)) }
    }

    test('noise, predictions, posterior', async () => {
      const { get, image } = await openContinuous()
      const near = { atol: 1e-4, rtol: 1e-3 }
      const path = (name: string) =>
        Array.from(get(name).data, t => continuousPath(kind, 1000).scales[Math.round(1000 * (1 - t))]!)
      const [from, to] = [path('times'), path('times_next')]
      const [x0, noise] = [image('x0'), image('noise')]
      const x = addNoise(x0, noise, from)
      expectClose(toNchw(x), get('x_t'), near)
      const v = predictionTarget('v_prediction', x0, noise, from)
      expectClose(toNchw(v), get('v'), near)
      expectClose(toNchw(toX0('v_prediction', v, x, from)), get('x0_from_v'), near)
      expectClose(toNchw(toX0('epsilon', noise, x, from)), get('x0_from_noise'), near)
      const both = from.map((scale, i) => posterior(scale, to[i]!))
      const column = (of: (p: (typeof both)[number]) => number) => tf.tensor4d(both.map(of), [2, 1, 1, 1])
      const mean = tf.add<tf.Tensor4D>(
        tf.mul(
          x0,
          column(p => p.x0Weight),
        ),
        tf.mul(
          x,
          column(p => p.xWeight),
        ),
      )
      expectClose(toNchw(mean), get('posterior_mean'), near)
      both.forEach(({ variance }, i) => {
        expect(variance / get('posterior_variance').data[i]! - 1).toBeCloseTo(0, 3)
        expect(Math.log(variance)).toBeCloseTo(get('posterior_log_variance').data[i]!, 3)
      })
    })

    test('the whole trajectory', async () => {
      const { get } = await openContinuous()
      const count = get('traj.noise').shape[0]!
      const path = continuousPath(kind, count)
      const predictionType = kind === 'linear' ? 'epsilon' : 'v_prediction'
      const threshold = { kind: 'dynamic', percentile: 0.95, max: Number.POSITIVE_INFINITY } as const
      const run = samplerOn(path, { kind: 'ddpm', varianceType: 'fixed_small', predictionType, threshold })
      const arrays = await readArrays('analytic_model')
      const epsilon = analyticModel(arrays, index => path.scales[index]!, false)
      const pictures = ['mu_cond', 'mu_uncond'].map(name => {
        const mu = tf.transpose(toTensor(arrays.get(name)!), [1, 2, 0])
        return tf.expandDims(mu, 0) as tf.Tensor4D
      })
      // At t = 1 the noise in x says nothing of the picture, so the cosine model answers in v.
      const velocity: Model = (x, index) => {
        const { alpha, sigma } = path.scales[index]!
        const answer = (mu: tf.Tensor4D, s: number) => {
          const gain = (alpha * s ** 2) / (alpha ** 2 * s ** 2 + sigma ** 2)
          const x0 = tf.add<tf.Tensor4D>(mu, tf.mul(tf.sub(x, tf.mul(mu, alpha)), gain))
          return tf.div<tf.Tensor4D>(tf.sub(tf.mul(x, alpha), x0), sigma)
        }
        return { conditional: answer(pictures[0]!, 0.25), unconditional: answer(pictures[1]!, 0.6) }
      }
      const golden = new Map([
        ['x', get('traj.x')],
        ['noise', get('traj.noise')],
      ])
      const model = kind === 'linear' ? epsilon : velocity
      follow({ golden, run, model, guidance: 2, tolerance: { atol: 2e-3, rtol: 2e-3 } })
    })
  })

  describe("DPM-Solver++'s SDE", () => {
    /** Values of mean 0.3 and deviation 0.5, whose picture is known exactly from x: the steps are all that errs. */
    const gaussian = (x: tf.Tensor4D, { alpha, sigma }: NoiseScale): tf.Tensor4D => {
      const gain = (alpha * 0.25) / (alpha ** 2 * 0.25 + sigma ** 2)
      return tf.add(tf.mul(tf.sub(x, 0.3 * alpha), gain), 0.3)
    }
    const start = () => tf.tensor4d([-2, -0.5, 0.1, 1.5], [1, 2, 2, 1])
    const solver = (steps: number, eta: number) =>
      sampler({ predictionType: 'sample' }, { kind: 'dpm-solver++', steps, eta })
    /** Where a path leads from 0 whose noise is 0 but at one step (-1: the start), where it is 1. */
    const ending = (run: Sampler, noisy: number, secondOrder: boolean): number => {
      const one = (yes: boolean) => tf.fill([1, 1, 1, 1], yes ? 1 : 0) as tf.Tensor4D
      let state: { x: tf.Tensor4D; x0?: tf.Tensor4D } = { x: one(noisy === -1) }
      for (const index of run.timesteps.keys()) {
        state = run.step({
          output: gaussian(state.x, run.scales[index]!),
          x: state.x,
          index,
          noise: one(noisy === index),
          ...(secondOrder && state.x0 && { previous: state.x0 }),
        })
      }
      return state.x.dataSync()[0]!
    }
    /** The deviation of all ends: every step is linear, so that variances add. */
    const deviation = (run: Sampler, secondOrder = true): number => {
      const still = ending(run, -2, secondOrder)
      const sources = [-1, ...run.timesteps.keys()]
      return Math.hypot(...sources.map(index => ending(run, index, secondOrder) - still))
    }

    test('its first step is one of DDPM', () => {
      const [x, noise] = [start(), tf.tensor4d([0.3, -1, 2, 0.7], [1, 2, 2, 1])]
      const run = solver(20, 1)
      const output = gaussian(x, run.scales[0]!)
      const ancestral = samplerOn(run, { kind: 'ddpm', predictionType: 'sample' })
      const { x: expected } = ancestral.step({ output, x, index: 0, noise })
      expectClose(
        run.step({ output, x, index: 0, noise }).x,
        { shape: [1, 2, 2, 1], data: expected.dataSync() as Float32Array },
        { atol: 1e-6, rtol: 1e-5 },
      )
    })

    test('its pictures spread as the data does, far more nearly than those of steps of first order', () => {
      for (const eta of [0.5, 1]) {
        const run = solver(20, eta)
        const error = Math.abs(deviation(run) - 0.5)
        expect(error).toBeLessThan(0.02)
        expect(error).toBeLessThan(Math.abs(deviation(run, false) - 0.5) / 3)
      }
    })

    test('with eta 0 there is no noise, with more of it more', () => {
      expect(solver(5, 0).drawsNoise(0)).toBe(false)
      const spread = [0.25, 0.5, 1].map(eta => {
        const run = solver(5, eta)
        const step = (value: number) =>
          run.step({ output: start(), x: start(), index: 2, noise: tf.fill([1, 2, 2, 1], value) }).x
        return tf.mean(tf.sub(step(1), step(0))).dataSync()[0]!
      })
      expect(spread[0]).toBeGreaterThan(0)
      expect(spread[1]).toBeGreaterThan(spread[0]!)
      expect(spread[2]).toBeGreaterThan(spread[1]!)
      expect(() => solver(5, 1.5)).toThrow(/eta is 1.5/)
    })
  })

  test('noise is added at timesteps of its own for each image', async () => {
    const golden = await readArrays('add_noise')
    const scales = Array.from(golden.get('timesteps')!.data, t => schedule.scaleAt(t))
    const noisy = addNoise(toNhwc(golden.get('x0')!), toNhwc(golden.get('noise')!), scales)
    expectClose(toNchw(noisy), golden.get('noisy')!, { atol: 1e-6, rtol: 1e-6 })
  })

  test('dynamic thresholding takes the quantile of each image, between neighbours', () => {
    const x0 = tf.tensor4d([-4, 3, 2, 1, 0.4, -0.3, 0.2, 0.1], [2, 1, 4, 1])
    const by = (percentile: number, max = Number.POSITIVE_INFINITY) =>
      Array.from(thresholded(x0, { kind: 'dynamic', percentile, max }).dataSync())
    const expectValues = (actual: number[], expected: number[]) => {
      expected.forEach((value, i) => {
        expect(actual[i]).toBeCloseTo(value, 5)
      })
    }
    // |x| is 1, 2, 3, 4: the half lies between 2 and 3. The second image is within range and stays.
    expectValues(by(0.5), [-1, 1, 0.8, 0.4, 0.4, -0.3, 0.2, 0.1])
    expectValues(by(0.9), [-1, 3 / 3.7, 2 / 3.7, 1 / 3.7, 0.4, -0.3, 0.2, 0.1])
    expectValues(by(1), [-1, 0.75, 0.5, 0.25, 0.4, -0.3, 0.2, 0.1])
    expectValues(by(1, 2), [-1, 1, 1, 0.5, 0.4, -0.3, 0.2, 0.1])
    expectValues(by(0.9, 1), [-1, 1, 1, 1, 0.4, -0.3, 0.2, 0.1])
  })

  test.each<[string, SamplerOptions]>([
    ['unet_ddpm', { kind: 'ddpm' }],
    ['unet_ddim', DDIM],
    ['unet_dpmpp2m', { kind: 'dpm-solver++' }],
    ['unet_sr_ddpm', { kind: 'ddpm' }],
  ])('the trajectory %s', async (name, options) => {
    const golden = await readArrays(`traj.${name}`)
    const { config, guidance } = configOf(`traj.${name}`)
    const steps = golden.get('timesteps')!.data.length
    const run = sampler(config, { steps, ...options })
    expect(run.timesteps).toEqual(chosen(golden))
    const which = name === 'unet_sr_ddpm' ? 'stage2_sr' : 'stage1'
    const unet = await openUnet(which)
    const inputs = await readArrays(`${which}.traj_inputs`)
    const model = unetModel(unet, run, inputs, which === 'stage2_sr' ? 250 : undefined)
    follow({ golden, run, model, guidance, tolerance: { atol: 5e-3, rtol: 5e-3 } })
    unet.dispose()
  })
}
