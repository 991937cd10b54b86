import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, test } from 'vitest'
import { randomImages, readFixture } from '../../test/helpers.js'
import { expectClose, lossSuite, onEachBackend, value } from '../../test/suite.js'
import { adaptiveRobust, isTrainable, l1, loadVariables, logPartition, robustPenalty, saveVariables } from '../index.js'
import { rgbToYuv, wavelet, waveletBands } from './transforms.js'

const yuvWavelet = adaptiveRobust({ colourSpace: 'yuv', representation: 'wavelet', levels: 2, scaleStart: 0.1 })

lossSuite([
  { name: 'adaptiveRobust', loss: adaptiveRobust({ scaleStart: 0.1 }), atEqual: false },
  { name: 'adaptiveRobust, wavelet and YUV', loss: yuvWavelet, atEqual: false },
])

onEachBackend(() => {
  test('log Z and its slope equal the reference and the quadrature', () => {
    const fixture = readFixture('barron_adaptive.safetensors')
    const keep = Array.from(fixture.alpha!.data).flatMap((a, i) => (a <= 2 ? [i] : []))
    const pick = (name: string, indices = keep) => indices.map(i => fixture[name]!.data[i]!)
    const alpha = tf.tensor1d(pick('alpha'))
    expectClose(logPartition(alpha), pick('log_partition'), { atol: 1e-5 })
    expectClose(logPartition(alpha), pick('log_partition_quadrature'), { atol: 1e-5 })
    const inner = keep.filter(i => fixture.alpha!.data[i]! < 1.98)
    const slopes = tf.grad(a => tf.sum(logPartition(a)))(tf.tensor1d(pick('alpha', inner)))
    expectClose(slopes, pick('dlog_partition_dalpha', inner), { atol: 0.002, rtol: 0.01 })
    const ends = tf.grad(a => tf.sum(logPartition(a)))(tf.tensor1d([0, 2, -1, 3]))
    expect(ends.dataSync().every(Number.isFinite)).toBe(true)
  })

  test('likelihood and gradients over errors and latents equal the reference', () => {
    const fixture = readFixture('barron_adaptive.safetensors')
    const golden = (name: string) => fixture[name]!.data
    const loss = adaptiveRobust({ channels: 5 })
    loadVariables(loss, { alpha: golden('latent_alpha'), scale: golden('latent_scale') })
    const { alpha, scale } = loss.shape()
    expectClose(alpha, golden('alpha_values'), { atol: 1e-5 })
    expectClose(scale, golden('scale_values'), { atol: 1e-5 })
    const errors = tf.tensor2d(golden('x'), [6, 5])
    const nll = tf.add(robustPenalty(errors, alpha, scale), tf.add(tf.log(scale), logPartition(alpha)))
    expectClose(nll, golden('nll'), { atol: 1e-4, rtol: 1e-4 })

    const images = tf.reshape(errors, [6, 1, 1, 5]) as tf.Tensor4D
    const target = tf.zerosLike(images)
    const mean = golden('nll').reduce((a, b) => a + b) / 30
    expect(value(loss(images, target))).toBeCloseTo(mean, 4)
    const tolerance = { atol: 1e-4, rtol: 2e-3 }
    expectClose(tf.grad(x => loss(x as tf.Tensor4D, target))(images), golden('grad_x'), tolerance)
    const latents = loss.variables()
    const { grads } = tf.variableGrads(() => loss(images, target), [latents.alpha!, latents.scale!])
    expectClose(grads[latents.alpha!.name]!, golden('grad_latent_alpha'), tolerance)
    expectClose(grads[latents.scale!.name]!, golden('grad_latent_scale'), tolerance)
    loss.dispose()
  })

  test('YUV of the same volume equals the reference', () => {
    const fixture = readFixture('barron_adaptive.safetensors')
    const rgb = tf.tensor4d(fixture.rgb_nhwc!.data, [2, 4, 5, 3])
    expectClose(rgbToYuv(rgb), fixture.syuv_nhwc!.data, { atol: 1e-5 })
  })

  describe.each([
    ['pixel_rgb', { parameters: 'coefficient', size: 16 }],
    ['wavelet_yuv', { colourSpace: 'yuv', representation: 'wavelet', levels: 2 }],
    [
      'wavelet_yuv',
      { colourSpace: 'yuv', representation: 'wavelet', levels: 2, parameters: 'coefficient', size: [16, 16] },
    ],
  ] as const)('images as %s, %o', (name, options) => {
    test('the loss and its gradient equal the reference', () => {
      const fixture = readFixture('barron_image.safetensors')
      const golden = (part: string) => fixture[`${name}.${part}`]!.data
      const x = tf.tensor4d(golden('x_nhwc'), [2, 16, 16, 3])
      const target = tf.zerosLike(x)
      const loss = adaptiveRobust(options)
      expectClose(loss(x, target), golden('mean'), { atol: 1e-5, rtol: 1e-4 })
      const gradient = tf.grad(image => loss(image as tf.Tensor4D, target))(x)
      expectClose(gradient, golden('grad_mean_x'), { atol: 1e-7, rtol: 1e-3 })
      const errors = name === 'pixel_rgb' ? x : wavelet(rgbToYuv(x), 2)
      const each = tf.add(robustPenalty(errors, 1, 1), logPartition(tf.scalar(1)))
      expectClose(each, golden('loss_nhwc'), { atol: 1e-5, rtol: 1e-4 })
      loss.dispose()
    })
  })

  test('a wavelet transform of any size keeps flat images to the coarsest band', () => {
    for (const [height, width] of [
      [7, 10],
      [1, 5],
      [1, 1],
    ] as const) {
      const coefficients = wavelet(tf.ones([1, height, width, 2]), 3)
      expect(coefficients.shape).toEqual([1, height, width, 2])
      const bands = waveletBands(height, width, 3)
      const values = coefficients.dataSync()
      for (const [i, band] of bands.entries()) expect(values[2 * i]).toBeCloseTo(band === 0 ? 8 : 0, 5)
    }
    expect([...waveletBands(4, 4, 1)]).toEqual([0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3])
  })

  test('learned with the image, alpha falls where there are outliers and scale goes to the size of the errors', () => {
    const errors = randomImages([4, 8, 8, 2], 'errors', -0.1, 0.1)
    // The second channel has one error in sixteen that is thirty times as large.
    const outliers = tf.tensor4d(
      Float32Array.from({ length: 512 }, (_, i) => (i % 32 === 1 ? 30 : 1)),
      [4, 8, 8, 2],
    )
    const images = tf.mul<tf.Tensor4D>(errors, outliers)
    const target = tf.zerosLike(images)
    const loss = adaptiveRobust({ channels: 2 })
    const before = value(loss(images, target))
    const optimizer = tf.train.adam(0.05)
    const variables = Object.values(loss.variables())
    for (let step = 0; step < 200; step++) optimizer.minimize(() => loss(images, target), false, variables)
    const { alpha, scale } = loss.shape()
    const [clean, dirty] = alpha.dataSync()
    expect(clean).toBeGreaterThan(1.9)
    expect(dirty).toBeLessThan(1)
    for (const c of scale.dataSync()) {
      expect(c).toBeGreaterThan(0.02)
      expect(c).toBeLessThan(0.12)
    }
    expect(value(loss(images, target))).toBeLessThan(before - 1)
    loss.dispose()
  })

  test('far latents, alpha at 0 and 2 and every size of error give no NaN', () => {
    const errors = tf.tensor4d([0, 1e-12, 0.5, -1e6], [1, 2, 2, 1])
    for (const latent of [-200, -20, 20, 200]) {
      const loss = adaptiveRobust({ channels: 1, alphaLow: 0, alphaHigh: 2 })
      loadVariables(loss, { alpha: Float32Array.of(latent), scale: Float32Array.of(-latent) })
      const variables = Object.values(loss.variables())
      const { value: v, grads } = tf.variableGrads(() => loss(errors, tf.zerosLike(errors)), variables)
      for (const tensor of [
        v,
        ...Object.values(grads),
        tf.grad(x => loss(x as tf.Tensor4D, tf.zerosLike(errors)))(errors),
      ]) {
        expect(tensor.dataSync().every(Number.isFinite), `latent ${latent}`).toBe(true)
      }
      loss.dispose()
    }
  })

  test('its variables are found, saved, loaded and freed without knowing what they are', async () => {
    const before = tf.memory().numTensors
    const loss = adaptiveRobust({ representation: 'wavelet', levels: 2 })
    expect(tf.memory().numTensors).toBe(before)
    expect(isTrainable(loss)).toBe(true)
    expect(isTrainable(l1())).toBe(false)
    const values = { alpha: new Float32Array(21).fill(0.5), scale: new Float32Array(21).fill(-1) }
    loadVariables(loss, values)
    expect(await saveVariables(loss)).toEqual(values)
    expect(() => loadVariables(loss, { alpha: values.alpha })).toThrow(/has variables .*alpha.*scale/)
    expect(() => loadVariables(loss, { ...values, scale: new Float32Array(2) })).toThrow(
      expect.objectContaining({ code: 'resume-mismatch' }),
    )
    expect(await saveVariables(loss)).toEqual(values)
    loss.dispose()
    expect(tf.memory().numTensors).toBe(before)
  })
})

test('options and images out of range are named', () => {
  expect(() => adaptiveRobust({ alphaHigh: 2.5 })).toThrow(/alphaHigh is 2.5; it must be a number from 0 to 2/)
  expect(() => adaptiveRobust({ alphaStart: 2 })).toThrow(/alphaStart must lie between/)
  expect(() => adaptiveRobust({ scaleStart: 1e-6 })).toThrow(/scaleStart must exceed scaleLow/)
  expect(() => adaptiveRobust({ colourSpace: 'yuv', channels: 1 })).toThrow(/needs 3 channels, got 1/)
  expect(() => adaptiveRobust({ parameters: 'coefficient' })).toThrow(/needs the size/)
  expect(() => adaptiveRobust({ colourSpace: 'lab' as 'rgb' })).toThrow(/colourSpace is "lab"/)
  const image = tf.zeros([1, 8, 8, 1]) as tf.Tensor4D
  expect(() => adaptiveRobust()(image, image)).toThrow(/must be \[N, H, W, 3\], got \[1, 8, 8, 1\]/)
  const sized = adaptiveRobust({ channels: 1, parameters: 'coefficient', size: [8, 9] })
  expect(() => sized(image, image)).toThrow(/must be \[N, 8, 9, 1\]/)
})
