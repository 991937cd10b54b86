import { type BackendName, prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { expectClose, openUnet, readArrays, toNchw, toNhwc, toTensor } from '../imagen.js'

const OUTPUT = { atol: 2e-4, rtol: 2e-4 }

/** Both reference UNets against the values of their original code, and their gradients against differences. */
export const unetSuite = (backend: BackendName): void => {
  let tensors = 0
  let uninstall: () => void
  beforeAll(async () => {
    await prepareBackend({ backend, threads: 1 })
    uninstall = await installTrainingKernels()
  })
  afterAll(() => uninstall())
  beforeEach(() => {
    tensors = tf.memory().numTensors
  })
  afterEach(() => {
    expect(tf.memory().numTensors).toBe(tensors)
  })

  test('the first stage', async () => {
    const golden = await readArrays('stage1.expected')
    const unet = await openUnet('stage1')
    tf.tidy(() => {
      const output = unet.predict(toNhwc(golden.get('x')!), [...golden.get('timesteps')!.data], {
        text: toTensor(golden.get('text_embeddings')!) as tf.Tensor3D,
      })
      expectClose(toNchw(output), golden.get('output')!, OUTPUT)
    })
    unet.dispose()
  })

  test('the super-resolution stage', async () => {
    const golden = await readArrays('stage2_sr.expected')
    const unet = await openUnet('stage2_sr')
    const [level] = golden.get('noise_level')!.data
    tf.tidy(() => {
      const x = tf.concat([toNhwc(golden.get('x')!), toNhwc(golden.get('low_res_noisy')!)], 3)
      const output = unet.predict(x, [...golden.get('timesteps')!.data], {
        text: toTensor(golden.get('text_embeddings')!) as tf.Tensor3D,
        noiseLevel: [level!, level!],
      })
      expectClose(toNchw(output), golden.get('output')!, OUTPUT)
    })
    unet.dispose()
  })

  test.each(['stage1', 'stage2_sr'] as const)('the gradients of %s', async name => {
    const unet = await openUnet(name, { trainable: true })
    const golden = await readArrays(`${name}.expected`)
    const text = toTensor(golden.get('text_embeddings')!) as tf.Tensor3D
    const [n] = text.shape
    const channels = unet.config.inChannels
    const x = tf.randomNormal([n, 8, 8, channels], 0, 1, 'float32', 3) as tf.Tensor4D
    const judge = tf.randomNormal([n, 8, 8, 6], 0, 1, 'float32', 4)
    const conditioning = { text, ...(channels === 6 && { noiseLevel: Array.from({ length: n }, () => 200) }) }
    const timesteps = Array.from({ length: n }, (_, i) => 100 + 200 * i)
    const loss = () => tf.mean(tf.mul(unet.predict(x, timesteps, conditioning), judge)) as tf.Scalar

    const { value, grads } = tf.variableGrads(loss, [...unet.variables])
    // One step along a random direction moves every parameter, so none can be wrong unnoticed.
    const directions = unet.variables.map((variable, i) => tf.randomNormal(variable.shape, 0, 1, 'float32', 10 + i))
    const along = unet.variables.reduce((sum, variable, i) => {
      const term = tf.tidy(() => tf.sum(tf.mul(grads[variable.name]!, directions[i]!)).dataSync()[0]!)
      return sum + term
    }, 0)
    const step = 2e-4
    const shiftBy = (amount: number) =>
      unet.variables.forEach((variable, i) => {
        tf.tidy(() => variable.assign(tf.add(variable, tf.mul(directions[i]!, amount))))
      })
    const at = () => tf.tidy(() => loss().dataSync()[0]!)
    shiftBy(step)
    const above = at()
    shiftBy(-2 * step)
    const below = at()
    expect(Math.abs((above - below) / (2 * step) / along - 1)).toBeLessThan(0.02)
    tf.dispose([value, grads, directions, x, judge, text])
    unet.dispose()
  })
}
