import * as tf from '@tensorflow/tfjs-core'
import * as tfl from '@tensorflow/tfjs-layers'
import { expect, test } from 'vitest'
import { adam, fuseLayersForTraining } from '../../src/training.js'
import { relativeDifference } from '../compare.js'

/** Every kind of layer of a student: strided, depthwise and pointwise convolutions, BN, relu6, upsampling, skip, head. */
const buildModel = (): tfl.LayersModel => {
  let seed = 0
  const initializer = () => tfl.initializers.glorotUniform({ seed: ++seed })
  // No bias before a batch normalisation: its gradient is zero but for rounding, which Adam would blow up.
  const conv = (x: tfl.SymbolicTensor, filters: number, kernelSize: number, strides = 1, useBias = false) =>
    tfl.layers
      .conv2d({ filters, kernelSize, strides, padding: 'same', useBias, kernelInitializer: initializer() })
      .apply(x) as tfl.SymbolicTensor
  const norm = (x: tfl.SymbolicTensor) =>
    tfl.layers
      .reLU({ maxValue: 6 })
      .apply(tfl.layers.batchNormalization({ momentum: 0.9 }).apply(x)) as tfl.SymbolicTensor
  const image = tfl.input({ shape: [16, 16, 3] })
  const fine = norm(conv(image, 8, 3, 2))
  const depthwise = tfl.layers
    .depthwiseConv2d({
      kernelSize: 3,
      strides: 2,
      padding: 'same',
      useBias: false,
      depthwiseInitializer: initializer(),
    })
    .apply(fine) as tfl.SymbolicTensor
  const coarse = norm(conv(norm(depthwise), 12, 1))
  const up = tfl.layers.upSampling2d({ size: [2, 2], interpolation: 'bilinear' }).apply(coarse) as tfl.SymbolicTensor
  const joined = tfl.layers.concatenate().apply([up, fine]) as tfl.SymbolicTensor
  const head = tfl.layers
    .activation({ activation: 'sigmoid' })
    .apply(conv(norm(joined), 3, 3, 1, true)) as tfl.SymbolicTensor
  return tfl.model({ inputs: image, outputs: head })
}

interface Result {
  weights: Float32Array[]
  losses: number[]
}

const train = (fuse: boolean, steps: number): Result => {
  const model = buildModel()
  const restore = fuse ? fuseLayersForTraining(model) : undefined
  const x = tf.randomUniform([4, 16, 16, 3], 0, 1, 'float32', 1)
  const target = tf.randomUniform([4, 8, 8, 3], 0, 1, 'float32', 2)
  const variables = model.trainableWeights.map(weight => weight.read() as tf.Variable)
  // A large epsilon: plain Adam's first step is the sign of the gradient, rounding errors included.
  const optimizer = adam({ epsilon: 1e-3 })
  const state = optimizer.init(variables)
  const before = tf.memory().numTensors
  const losses: number[] = []
  for (let step = 0; step < steps; step++) {
    const { value, grads } = tf.variableGrads(
      () => tf.losses.meanSquaredError(target, model.apply(x, { training: true }) as tf.Tensor) as tf.Scalar,
      variables,
    )
    optimizer.update(
      state,
      variables.map(variable => grads[variable.name]!),
      { learningRate: 1e-2, clipNorm: 1 },
    )
    losses.push(value.dataSync()[0]!)
    tf.dispose([value, grads])
  }
  expect(tf.memory().numTensors).toBe(before)
  restore?.()
  const weights = model.weights.map(weight => weight.read().dataSync<'float32'>().slice())
  state.dispose()
  tf.dispose([x, target])
  model.dispose()
  return { weights, losses }
}

export const trainingStep = (): void => {
  test('the same steps twice give the same bits', async () => {
    await tf.setBackend('wasm')
    expect(train(true, 3)).toEqual(train(true, 3))
  })

  test('one step agrees with cpu, and fused layers with plain ones, moving statistics included', async () => {
    await tf.setBackend('cpu')
    const onCpu = train(true, 1)
    await tf.setBackend('wasm')
    for (const result of [train(true, 1), train(false, 1)]) {
      expect(result.losses[0]).toBeCloseTo(onCpu.losses[0]!, 5)
      result.weights.forEach((values, i) => {
        expect(relativeDifference(values, onCpu.weights[i]!), `weight ${i}`).toBeLessThan(1e-3)
      })
    }
  })

  test('training lowers the loss', async () => {
    await tf.setBackend('wasm')
    const { losses } = train(true, 15)
    expect(losses.at(-1)).toBeLessThan(losses[0]! * 0.9)
  })

  test('fusing changes neither inference nor what is saved, and is taken back', async () => {
    await tf.setBackend('wasm')
    const model = buildModel()
    const x = tf.randomUniform([1, 16, 16, 3], 0, 1, 'float32', 1)
    const predict = () => tf.tidy(() => (model.predict(x) as tf.Tensor).dataSync<'float32'>().slice())
    const plain = predict()
    const json = model.toJSON()
    const restore = fuseLayersForTraining(model)
    const again = fuseLayersForTraining(model)
    expect(relativeDifference(predict(), plain)).toBeLessThan(1e-6)
    expect(model.toJSON()).toEqual(json)
    const before = tf.memory().numTensors
    tf.dispose(model.apply(x, { training: true }) as tf.Tensor)
    expect(tf.memory().numTensors).toBe(before)
    again()
    restore()
    expect(model.layers.some(layer => Object.hasOwn(layer, 'call'))).toBe(false)
    x.dispose()
    model.dispose()
  })
}
