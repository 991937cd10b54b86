import '@tensorflow/tfjs-backend-cpu'
import '@tensorflow/tfjs-layers'
import * as tf from '@tensorflow/tfjs-core'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { prepareBackend } from '../src/index.js'
import { installSecondOrderGradients, installTrainingKernels } from '../src/training.js'
import { type Case, cases, firstOrder, secondOrderError } from './suites/secondOrder.js'

const TOLERANCE = 1e-3

let undo: (() => void)[] = []
const use = (...steps: (() => void)[]) => undo.push(...steps)
afterEach(() => {
  for (const step of undo) step()
  undo = []
})

beforeAll(async () => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
})

const withoutLeak = <T>(run: () => T): T => {
  const before = tf.memory()
  const result = run()
  expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numDataBuffers: before.numDataBuffers })
  return result
}

const named = cases.map((c): [string, Case] => [c.name, c])

describe('tfjs alone', () => {
  test.each(named)('%s', async (_, c) => {
    await tf.setBackend('cpu')
    tf.engine().startScope()
    try {
      if (c.stock === 'throws') expect(() => secondOrderError(c)).toThrow(/gradient|Gradient/)
      else if (c.stock === 'wrong') expect(secondOrderError(c)).toBeGreaterThan(10 * TOLERANCE)
      else expect(secondOrderError(c)).toBeLessThan(TOLERANCE)
    } finally {
      tf.engine().endScope()
    }
  })
})

describe.each(['cpu', 'wasm'])('gradients of gradients agree with central differences on %s', backend => {
  test.each(named)('%s', async (_, c) => {
    await tf.setBackend(backend)
    use(installSecondOrderGradients())
    if (backend === 'wasm') use(await installTrainingKernels())
    expect(withoutLeak(() => secondOrderError(c))).toBeLessThan(TOLERANCE)
  })
})

// A condition throws on the first gradient already, and resizing is corrected.
test.each(named.filter(([name]) => !/where|halfPixel|not square|Nearest/.test(name)))(
  'the first gradient of %s keeps its bits',
  async (_, c) => {
    await tf.setBackend('cpu')
    const before = firstOrder(c)
    use(installSecondOrderGradients())
    expect(firstOrder(c)).toEqual(before)
  },
)

describe.each(['cpu', 'wasm'])('the first gradient of a resize is its transpose on %s', backend => {
  const options = [
    [false, false],
    [true, false],
    [false, true],
  ] as const
  const sizes = [
    [7, 12],
    [3, 2],
    [4, 9],
  ] as const
  const installs = { installSecondOrderGradients, installTrainingKernels }
  test.each(Object.entries(installs))('with %s', async (_, install) => {
    await tf.setBackend(backend)
    use(await install())
    for (const op of [tf.image.resizeBilinear, tf.image.resizeNearestNeighbor]) {
      for (const [[height, width], [alignCorners, halfPixelCenters]] of sizes.flatMap(size =>
        options.map(option => [size, option] as const),
      )) {
        const [forward, backward] = withoutLeak(() =>
          tf.tidy(() => {
            const x = tf.randomUniform([2, 4, 6, 3], -1, 1, 'float32', 1) as tf.Tensor4D
            const dy = tf.randomUniform([2, height, width, 3], -1, 1, 'float32', 2) as tf.Tensor4D
            const resize = (image: tf.Tensor) =>
              op(image as tf.Tensor4D, [height, width], alignCorners, halfPixelCenters)
            const dx = tf.grad(resize)(x, dy)
            expect(dx.shape).toEqual(x.shape)
            return [tf.sum(tf.mul(resize(x), dy)).dataSync()[0]!, tf.sum(tf.mul(x, dx)).dataSync()[0]!]
          }),
        )
        expect(backward).toBeCloseTo(forward!, 4)
      }
    }
  })
})

test('tfjs alone swaps height and width in the gradient of resizeBilinear on cpu', async () => {
  await tf.setBackend('cpu')
  const images = tf.zeros([1, 4, 6, 1])
  const dy = tf.zeros([1, 2, 3, 1])
  const dx = tf.engine().runKernel(tf.ResizeBilinearGrad, { images, dy }, { alignCorners: false }) as tf.Tensor
  expect(dx.shape).toEqual([1, 6, 4, 1])
  tf.dispose([images, dy, dx])
})

const registrations = () =>
  new Map<string, unknown>([
    ...Object.values(tf).flatMap((name): [string, unknown][] =>
      typeof name === 'string' ? [[`gradient of ${name}`, tf.getGradient(name)]] : [],
    ),
    ...['cpu', 'wasm'].flatMap(backend =>
      tf.getKernelsForBackend(backend).map((config): [string, unknown] => [`${backend}/${config.kernelName}`, config]),
    ),
  ])

const expectSame = (actual: Map<string, unknown>, expected: Map<string, unknown>) => {
  expect(actual.size).toBe(expected.size)
  for (const [name, config] of expected) expect(actual.get(name), name).toBe(config)
}

test.each([
  ['second order first, undone first', ['second', 'kernels'], ['second', 'kernels']],
  ['second order first, undone last', ['second', 'kernels'], ['kernels', 'second']],
  ['second order last, undone first', ['kernels', 'second'], ['second', 'kernels']],
  ['second order last, undone last', ['kernels', 'second'], ['kernels', 'second']],
] as const)('with installTrainingKernels: %s', async (_, order, reverse) => {
  await tf.setBackend('wasm')
  const installers = { second: installSecondOrderGradients, kernels: installTrainingKernels }
  const before = registrations()
  const undoOf: Record<string, () => void> = {}
  const discriminator = cases.find(({ name }) => name === 'a discriminator')!
  for (const name of order) undoOf[name] = await installers[name]()
  expect(secondOrderError(discriminator)).toBeLessThan(TOLERANCE)
  const [first, last] = reverse
  undoOf[first]!()
  const half = registrations()
  expect(half.get(`gradient of ${tf.Greater}`) === undefined).toBe(first === 'second')
  expect(half.get(`wasm/${tf.Conv2DBackpropFilter}`) === undefined).toBe(first === 'kernels')
  undoOf[last]!()
  expectSame(registrations(), before)
})

test('installing is counted, and the last uninstall restores every registration', () => {
  const before = registrations()
  const first = installSecondOrderGradients()
  const installed = registrations()
  expect(installed.get(`gradient of ${tf.Exp}`)).not.toBe(before.get(`gradient of ${tf.Exp}`))
  const second = installSecondOrderGradients()
  expectSame(registrations(), installed)
  first()
  first()
  expectSame(registrations(), installed)
  second()
  expectSame(registrations(), before)
})
