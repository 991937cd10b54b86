import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, test } from 'vitest'
import { nhwc, randomImages, readFixture } from '../../test/helpers.js'
import { expectClose, expectGradientMatches, onEachBackend, value } from '../../test/suite.js'
import { equivariance, type FramePair, l1, motion, sensorNoise, temporalConsistency, warp } from '../index.js'

const frames = (seed: string, flowRange = 1.5): FramePair => ({
  output: randomImages([1, 6, 7, 3], `${seed} output`),
  previousOutput: randomImages([1, 6, 7, 3], `${seed} previous output`),
  input: randomImages([1, 6, 7, 3], `${seed} input`, 0.4, 0.6),
  previousInput: randomImages([1, 6, 7, 3], `${seed} previous input`, 0.4, 0.6),
  flow: randomImages([1, 6, 7, 2], `${seed} flow`, -flowRange, flowRange),
})

onEachBackend(() => {
  describe.each(['zeros', 'border'] as const)('with %s padding', padding => {
    const load = () => {
      const fixture = readFixture('temporal_warp.safetensors')
      const image = (name: string) => nhwc(fixture[name]!)
      const pair: FramePair = {
        output: image('output_t'),
        previousOutput: image('output_prev'),
        input: image('input_t'),
        previousInput: image('input_prev'),
        flow: image('flow'),
      }
      return { pair, golden: (name: string) => fixture[`${padding}.${name}`]!.data }
    }
    const nchw = (tensor: tf.Tensor) => tf.transpose(tensor, [0, 3, 1, 2])

    test('warping equals the reference implementation', () => {
      const { pair, golden } = load()
      const tolerance = { atol: 2e-5, rtol: 1e-5 }
      expectClose(nchw(warp(pair.previousInput, pair.flow, { padding })), golden('warped_prev_input'), tolerance)
      expectClose(nchw(warp(pair.previousOutput, pair.flow, { padding })), golden('warped_prev_output'), tolerance)
    })

    test('the temporal loss and its gradients over both outputs equal the reference implementation', () => {
      const { pair, golden } = load()
      const loss = temporalConsistency({ padding })
      expectClose(loss(pair), golden('loss'), { atol: 1e-6, rtol: 1e-4 })
      const f = (...[output, previousOutput]: tf.Tensor[]) =>
        loss({ ...pair, output: output as tf.Tensor4D, previousOutput: previousOutput as tf.Tensor4D })
      const [now, before] = tf.grads(f)([pair.output, pair.previousOutput])
      expectClose(nchw(now!), golden('grad_output'), { atol: 1e-7, rtol: 1e-3 })
      expectClose(nchw(before!), golden('grad_prev_output'), { atol: 1e-7, rtol: 1e-3 })
    })

    test('gradients agree with central differences, with weights', () => {
      const pair = frames('differences')
      const weights = randomImages([1, 6, 7, 1], 'weights', 0.1, 4)
      const loss = temporalConsistency({ padding, sharpness: 5 })
      expectGradientMatches(output => loss({ ...pair, output, weights }), pair.output)
      expectGradientMatches(previousOutput => loss({ ...pair, previousOutput, weights }), pair.previousOutput)
    })
  })

  test('descending it alone makes the frame the warped one before', () => {
    const pair = frames('descent')
    const loss = temporalConsistency({ padding: 'border', sharpness: 5 })
    const goal = warp(pair.previousOutput, pair.flow, { padding: 'border' })
    const output = tf.variable(pair.output)
    const before = value(l1()(output as tf.Tensor4D, goal))
    const optimizer = tf.train.adam(0.02)
    for (let step = 0; step < 120; step++) {
      if (step === 90) (optimizer as unknown as { learningRate: number }).learningRate = 0.002
      optimizer.minimize(() => loss({ ...pair, output: output as tf.Tensor4D }), false, [output])
    }
    expect(value(l1()(output as tf.Tensor4D, goal))).toBeLessThan(0.12 * before)
  })

  test('equal, black, single-pixel and huge frames and flows give no NaN', () => {
    const huge = tf.mul<tf.Tensor4D>(frames('huge').flow, 1e30)
    const black = tf.zeros([1, 6, 7, 3]) as tf.Tensor4D
    const one = tf.ones([1, 1, 1, 3]) as tf.Tensor4D
    const cases: FramePair[] = [
      { ...frames('far'), flow: huge },
      { ...frames('black'), output: black, previousOutput: black, input: black, previousInput: black },
      { ...frames('bright'), output: tf.mul(frames('bright').output, 1e6), input: tf.mul(frames('bright').input, 1e6) },
      { output: one, previousOutput: one, input: one, previousInput: one, flow: tf.zeros([1, 1, 1, 2]) },
    ]
    for (const pair of cases) {
      for (const padding of ['zeros', 'border'] as const) {
        const loss = temporalConsistency({ padding })
        const f = (...[output, before]: tf.Tensor[]) =>
          loss({ ...pair, output: output as tf.Tensor4D, previousOutput: before as tf.Tensor4D })
        for (const tensor of [loss(pair), ...tf.grads(f)([pair.output, pair.previousOutput])]) {
          expect(tensor.dataSync().every(Number.isFinite)).toBe(true)
        }
      }
    }
    expect(value(tf.sum(warp(tf.ones([1, 6, 7, 3]), huge)))).toBe(0)
  })

  test('motion moves, turns and zooms about the middle', () => {
    const image = tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 3, 3, 1])
    const moved = (options: Parameters<typeof motion>[0]) => motion(options).input(image).dataSync()
    expectClose(moved({ dx: 1 }), [0, 1, 2, 0, 4, 5, 0, 7, 8], { atol: 1e-5 })
    expectClose(moved({ dy: -1 }), [4, 5, 6, 7, 8, 9, 0, 0, 0], { atol: 1e-5 })
    expectClose(moved({ rotation: 90 }), [7, 4, 1, 8, 5, 2, 9, 6, 3], { atol: 1e-4 })
    expectClose(moved({ zoom: 2 }), [3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7], { atol: 1e-5 })
    const valid = motion({ dx: 1, dy: 1 }).valid!(image)
    expectClose(valid, [0, 0, 0, 0, 1, 1, 0, 1, 1], { atol: 0 })
  })

  test('an equivariant student has no loss, another one has', () => {
    const images = randomImages([2, 8, 8, 3], 'images')
    const moves = motion({ dx: 1.5, dy: -2, rotation: 3 })
    const negative = (x: tf.Tensor4D): tf.Tensor4D => tf.sub(1, x)
    expect(value(equivariance(negative, images, moves))).toBeLessThan(1e-5)
    const shade = tf.reshape(tf.linspace(0, 1, 8), [1, 1, 8, 1])
    const vignette = (x: tf.Tensor4D): tf.Tensor4D => tf.mul(x, shade)
    expect(value(equivariance(vignette, images, moves))).toBeGreaterThan(0.05)
    const noise = sensorNoise({ deviation: 0.1, seed: 1 })
    expect(value(equivariance(x => tf.fill(x.shape, 0.5), images, noise))).toBe(0)
    const meanNoise = value(equivariance(x => tf.clone(x), images, noise))
    expect(meanNoise).toBeCloseTo(0.1 * Math.sqrt(2 / Math.PI), 2)
    expect(value(equivariance(x => tf.clone(x), images, noise))).toBe(meanNoise)
  })

  test('equivariance: gradients over the student agree with differences, and descending them removes what does not move', () => {
    const images = randomImages([1, 6, 6, 3], 'images')
    const moves = motion({ dx: 1.3, dy: 0.6 })
    const stuck = randomImages([1, 6, 6, 3], 'stuck to the screen', -0.2, 0.2)
    const loss = (pattern: tf.Tensor4D) => equivariance(x => tf.add(x, pattern), images, moves)
    expectGradientMatches(loss, stuck)
    const pattern = tf.variable(stuck)
    const before = value(loss(stuck))
    const optimizer = tf.train.adam(0.02)
    for (let step = 0; step < 120; step++) {
      if (step === 80) (optimizer as unknown as { learningRate: number }).learningRate = 0.002
      optimizer.minimize(() => loss(pattern as tf.Tensor4D), false, [pattern])
    }
    expect(value(loss(pattern as tf.Tensor4D))).toBeLessThan(0.15 * before)
  })

  test('they leave no tensor behind', () => {
    const pair = frames('leak')
    const moves = motion({ rotation: 4 })
    const before = tf.memory().numTensors
    temporalConsistency()(pair).dispose()
    equivariance(x => tf.clone(x), pair.input, moves).dispose()
    equivariance(x => tf.clone(x), pair.input, sensorNoise({ deviation: 0.1, seed: 2 }), {}).dispose()
    tf.dispose([warp(pair.input, pair.flow), moves.input(pair.input), moves.valid!(pair.input)])
    expect(() => temporalConsistency()({ ...pair, flow: pair.input })).toThrow()
    expect(() => equivariance(x => tf.slice(x, [0, 0, 0, 0], [1, 3, 3, 3]), pair.input, moves)).toThrow()
    expect(tf.memory().numTensors).toBe(before)
  })
})

test('options, frames and students that do not fit are named', () => {
  const pair = frames('wrong')
  const mismatch = expect.objectContaining({ code: 'shape-mismatch' })
  expect(() => temporalConsistency({ sharpness: -1 })).toThrow(/sharpness must be .* got -1/)
  expect(() => temporalConsistency()({ ...pair, input: tf.zeros([1, 6, 8, 3]) })).toThrow(/inputs: .* one shape/)
  expect(() => warp(pair.input, tf.zeros([1, 6, 7, 3]))).toThrow(mismatch)
  expect(() => warp(pair.input, pair.flow, { padding: 'reflect' as 'zeros' })).toThrow(/padding is "reflect"/)
  expect(() => motion({ zoom: 0 })).toThrow(/zoom is 0; it must be a number from 0.01 to 100/)
  expect(() => motion({ dx: Number.NaN })).toThrow(/dx is NaN/)
  expect(() => sensorNoise({ deviation: 2, seed: 1 })).toThrow(/deviation is 2/)
  const half = (x: tf.Tensor4D): tf.Tensor4D => tf.avgPool(x, 2, 2, 'valid')
  const quiet = sensorNoise({ deviation: 0, seed: 1 })
  expect(() => equivariance(half, pair.input, quiet)).toThrow(/must keep the size, got \[1, 3, 3, 3\]/)
})
