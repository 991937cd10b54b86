import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import { seededRandom } from '@fx/core'
import '@tensorflow/tfjs-layers'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tinyUnet } from '../../../test/tiny-imagen.js'
import { type DiffusionUnet, discreteSchedule, imagenUnet, randomUnetWeights } from '../../imagen.js'
import { type BatchOptions, diffusionLoss, noisyBatches } from '../../imagen-training.js'

const shares = discreteSchedule({ betaSchedule: 'squaredcos_cap_v2' }).alphasCumprod

const options = (change: Partial<BatchOptions> = {}): BatchOptions => ({
  seed: 1,
  stage: { resolution: 8 },
  schedule: 'squaredcos_cap_v2',
  objective: 'v',
  minSnrGamma: 5,
  ...change,
})
const pictures = (count: number, side: number): tf.Tensor4D => {
  const { uniform } = seededRandom('pictures')
  return tf.tensor4d(
    Float32Array.from({ length: count * side * side * 3 }, () => 2 * uniform() - 1),
    [count, side, side, 3],
  )
}
const valuesOf = (batch: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(batch).flatMap(([name, value]) => (value instanceof tf.Tensor ? [[name, value.dataSync()]] : [])),
  )

describe.each(['cpu', 'wasm'] as const)('on %s', backend => {
  let uninstall: () => void
  beforeAll(async () => {
    await prepareBackend({ backend, threads: 1 })
    uninstall = await installTrainingKernels()
  })
  afterAll(() => uninstall())

  test('what the network sees and is to tell fit together, each image at its own timestep', () => {
    tf.tidy(() => {
      const images = pictures(4, 8)
      const batch = (objective: BatchOptions['objective']) => noisyBatches(options({ objective }))(images, 3)
      const [v, eps, x0] = [batch('v'), batch('eps'), batch('x0')]
      const [seen, noise, velocity, picture] = [eps.x, eps.target, v.target, x0.target].map(t => t.dataSync())
      expect(picture).toEqual(images.dataSync())
      eps.timesteps.forEach((t, image) => {
        const [alpha, sigma] = [Math.sqrt(shares[t]!), Math.sqrt(1 - shares[t]!)]
        for (let i = image * 192; i < (image + 1) * 192; i += 17) {
          expect(seen![i]).toBeCloseTo(alpha * picture![i]! + sigma * noise![i]!, 5)
          expect(velocity![i]).toBeCloseTo(alpha * noise![i]! - sigma * picture![i]!, 5)
        }
        const snr = shares[t]! / (1 - shares[t]!)
        const capped = Math.min(snr, 5)
        expect(v.weights.dataSync()[image]).toBeCloseTo(capped / (snr + 1), 5)
        expect(eps.weights.dataSync()[image]).toBeCloseTo(capped / snr, 5)
        expect(x0.weights.dataSync()[image]).toBeCloseTo(capped, 5)
      })
      expect([...noisyBatches(options({ minSnrGamma: false }))(images, 3).weights.dataSync()]).toEqual([1, 1, 1, 1])
      const { mean, variance } = tf.moments(noisyBatches(options({ objective: 'eps' }))(pictures(64, 8), 0).target)
      expect(mean.dataSync()[0]).toBeCloseTo(0, 1)
      expect(variance.dataSync()[0]).toBeCloseTo(1, 1)
    })
  })

  test('a batch follows from seed and step alone', () => {
    tf.tidy(() => {
      const images = pictures(4, 8)
      const of = (seed: number, step: number) => valuesOf(noisyBatches(options({ seed }))(images, step))
      expect(of(1, 5)).toEqual(of(1, 5))
      expect(of(1, 5).x).not.toEqual(of(1, 6).x)
      expect(of(1, 5).x).not.toEqual(of(2, 5).x)
    })
  })

  test('the timesteps of a batch lie evenly, and over many steps everywhere', () => {
    tf.tidy(() => {
      const images = pictures(4, 8)
      const make = noisyBatches(options())
      const counts = new Array<number>(10).fill(0)
      const first = new Set<number>()
      for (let step = 0; step < 50; step++) {
        const { timesteps } = make(images, step)
        const sorted = [...timesteps].sort((a, b) => a - b)
        for (let i = 1; i < 4; i++) expect(Math.abs(sorted[i]! - sorted[i - 1]! - 250)).toBeLessThanOrEqual(1)
        for (const t of timesteps) counts[Math.floor(t / 100)]!++
        first.add(Math.floor(timesteps[0]! / 250))
      }
      for (const count of counts) expect(count).toBeGreaterThan(8)
      expect(first.size).toBe(4)
    })
  })

  test('super-resolution sees the image small, enlarged and noised at a level within the range', () => {
    tf.tidy(() => {
      const images = pictures(6, 8)
      const clean = { resolution: 8, lowResolution: 2, noiseLevel: { min: 0, max: 0 } }
      const { x, noiseLevel } = noisyBatches(options({ stage: clean }))(images, 0)
      expect(x.shape).toEqual([6, 8, 8, 6])
      expect(noiseLevel).toEqual([0, 0, 0, 0, 0, 0])
      const [low, originals] = [tf.slice(x, [0, 0, 0, 3]).arraySync() as number[][][][], images.arraySync()]
      // Timestep 0 has hardly any noise; the corners of the enlarged image are the small image's.
      for (const [top, y] of [
        [0, 0],
        [4, 7],
      ] as const) {
        let mean = 0
        for (let i = 0; i < 16; i++) mean += originals[2]![top + (i >> 2)]![i & 3]![1]! / 16
        expect(Math.abs(low[2]![y]![0]![1]! - mean)).toBeLessThan(0.04)
      }
      const stage = { ...clean, noiseLevel: { min: 300, max: 303 } }
      const seen = new Set(
        Array.from({ length: 20 }, (_, step) => noisyBatches(options({ stage }))(images, step).noiseLevel!).flat(),
      )
      expect([...seen].sort()).toEqual([300, 301, 302, 303])
      const pure = { ...clean, noiseLevel: { min: 999, max: 999 } }
      const noise = tf.slice(noisyBatches(options({ stage: pure }))(pictures(40, 8), 0).x, [0, 0, 0, 3])
      expect(Math.abs(tf.moments(noise).variance.dataSync()[0]! - 1)).toBeLessThan(0.08)
    })
  })

  test.each(['base', 'super-resolution'])('the gradient of the loss is that of finite differences, %s', kind => {
    const enlarges = kind === 'super-resolution'
    const config = {
      ...tinyUnet,
      sampleSize: 8,
      inChannels: enlarges ? 6 : 3,
      classEmbedType: enlarges ? ('timestep' as const) : null,
    }
    // Nothing at zero: a fresh network's residual branches are, and pass no gradient on.
    const weights = randomUnetWeights(config, 1)
    for (const [name, { shape, data }] of weights) {
      const { normal } = seededRandom('moved', name)
      weights.set(name, { shape, data: data.map(value => value + 0.1 * normal()) })
    }
    const unet: DiffusionUnet = imagenUnet({ config, weights, trainable: true })
    tf.tidy(() => {
      const stage = enlarges ? { resolution: 8, lowResolution: 4, noiseLevel: { min: 0, max: 900 } } : { resolution: 8 }
      const batch = noisyBatches(options({ stage }))(pictures(3, 8), 0)
      const { normal } = seededRandom('text')
      const text = tf.tensor3d(Float32Array.from({ length: 3 * 4 * 8 }, normal), [3, 4, 8])
      const { value, grads } = tf.variableGrads(() => diffusionLoss(unet, batch, text), [...unet.variables])
      const error = tf.squaredDifference(unet.predict(batch.x, batch.timesteps, { ...batch, text }), batch.target)
      const by = tf.mean(error, [1, 2, 3]).dataSync<'float32'>()
      const weighted = batch.weights.dataSync<'float32'>().reduce((sum, weight, i) => sum + (weight * by[i]!) / 3, 0)
      expect(value.dataSync()[0]).toBeCloseTo(weighted, 5)
      // Along the gradient itself, over all parameters at once.
      const norm = Math.sqrt(
        unet.variables.reduce((sum, v) => sum + tf.sum(tf.square(grads[v.name]!)).dataSync()[0]!, 0),
      )
      const start = unet.variables.map(variable => variable.clone())
      const at = (distance: number): number => {
        unet.variables.forEach((variable, i) => {
          variable.assign(tf.add(start[i]!, tf.mul(grads[variable.name]!, distance / norm)))
        })
        return diffusionLoss(unet, batch, text).dataSync()[0]!
      }
      const h = 0.01
      const slope = (at(h) - at(-h)) / (2 * h)
      expect(Math.abs(slope / norm - 1)).toBeLessThan(5e-3)
    })
    unet.dispose()
  })
})
