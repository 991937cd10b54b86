// Runs in a browser: the reference networks on a GPU backend, compared with the reference's values.
import { openCheckpoint, type WeightTensor } from '@fx/weights'
import '@tensorflow/tfjs-backend-webgl'
import '@tensorflow/tfjs-backend-webgpu'
import * as tf from '@tensorflow/tfjs-core'
import { readStylegan2, stylegan2Discriminator, stylegan2Generator } from '../../src/stylegan2.js'

/** The largest `|a - b| / (1 + |b|)` of each value, by its name in the fixture. */
type Errors = Record<string, number>

export interface Page {
  /** The adapter's or the renderer's name, or why there is none. */
  device(backend: 'webgl' | 'webgpu'): Promise<{ available: boolean; name: string }>
  compare(backend: 'webgl' | 'webgpu'): Promise<{ backend: string; errors: Errors; tensorsLeft: number }>
}

/** What WebGPU's types are needed for here; the DOM types of TypeScript 5.9 lack it. */
interface Gpu {
  requestAdapter(): Promise<{ info?: { vendor: string; architecture: string; description: string } } | null>
}

const device: Page['device'] = async backend => {
  if (backend === 'webgpu') {
    const { gpu } = navigator as unknown as { gpu?: Gpu }
    const adapter = await gpu?.requestAdapter()
    const { vendor = '', architecture = '', description = '' } = adapter?.info ?? {}
    return { available: Boolean(adapter), name: adapter ? `${vendor} ${architecture} ${description}` : 'no adapter' }
  }
  const gl = document.createElement('canvas').getContext('webgl2')
  const info = gl?.getExtension('WEBGL_debug_renderer_info')
  return { available: Boolean(gl), name: gl && info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : 'no renderer' }
}

const compare: Page['compare'] = async backend => {
  await tf.setBackend(backend)
  await tf.ready()
  const before = tf.memory().numTensors
  const bytes = new Uint8Array(await (await fetch('/uncond.safetensors')).arrayBuffer())
  const checkpoint = await openCheckpoint(bytes)
  const stored = (name: string): WeightTensor => checkpoint.tensors.get(name)!
  const load = async (name: string): Promise<tf.Tensor> =>
    tf.tensor((await stored(name).load()) as Float32Array, [...stored(name).shape])
  const read = await readStylegan2(checkpoint, { network: 'G', discriminator: true })
  const clamped = <T>(config: T) => ({ ...config, convClamp: 256 })
  const generator = stylegan2Generator({ ...read.generator, config: clamped(read.generator.config) })
  const discriminator = stylegan2Discriminator({
    ...read.discriminator!,
    config: clamped(read.discriminator!.config),
  })

  const errors: Errors = {}
  const check = async (name: string, compute: () => tf.Tensor): Promise<void> => {
    const result = tf.tidy(() => {
      const value = compute()
      return value.rank === 4 ? tf.transpose(value, [0, 3, 1, 2]) : value
    })
    const [values, expected] = [await result.data(), (await stored(name).load()) as Float32Array]
    result.dispose()
    if (values.length !== expected.length) throw new Error(`${name} has ${values.length} values`)
    errors[name] = expected.reduce((worst, value, i) => {
      const error = Math.abs(value - values[i]!) / (1 + Math.abs(value))
      return error <= worst ? worst : error
    }, 0)
  }
  const z = (await load('z')) as tf.Tensor2D
  const wPlus = (await load('w_plus')) as tf.Tensor3D
  const judged = (await load('d_in')) as tf.Tensor4D
  const one = tf.slice(z, [0, 0], [1, -1])
  const oneWPlus = tf.slice(wPlus, [0, 0, 0], [1, -1, -1])
  await check('w_psi1', () => generator.broadcast(generator.mapping(z)))
  await check('w_trunc', () => generator.truncate(generator.mapping(z), { psi: 0.7, cutoff: 4 }))
  await check('img_const_psi1', () => generator.generate(one))
  await check('img_none_wplus', () => generator.synthesis(oneWPlus, { noise: 'none' }))
  for (const batch of [1, 8]) {
    await check(`d_logits_b${batch}`, () =>
      discriminator.logits(tf.transpose(tf.slice(judged, [0, 0, 0, 0], [batch, -1, -1, -1]), [0, 2, 3, 1])),
    )
  }
  tf.dispose([z, wPlus, judged, one, oneWPlus])
  generator.dispose()
  discriminator.dispose()
  return { backend: tf.getBackend(), errors, tensorsLeft: tf.memory().numTensors - before }
}

Object.assign(globalThis, { page: { device, compare } satisfies Page })
