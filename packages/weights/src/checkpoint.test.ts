import { describe, expect, it } from 'vitest'
import { fixture, loadAll } from '../test/fixtures.js'
import { fromAda, fromRosinality, fromTensorflow } from '../test/names.js'
import { openCheckpoint } from './index.js'

const open = (name: string) => openCheckpoint(fixture(name))
const trained = /^(G_ema|D)\./

describe('a StyleGAN2 in every layout', () => {
  const golden = async () => fromAda(await open('uncond.weights.safetensors'), trained)
  const isBuffer = (name: string) => name.endsWith('resample_filter')

  it('reads the StyleGAN2-ADA pickle as the safetensors golden has it', async () => {
    const checkpoint = await open('uncond.ada.pkl')
    expect(checkpoint.layout).toBe('stylegan-pickle')
    const [expected, found] = [await golden(), await fromAda(checkpoint, trained)]
    expect([...found.keys()].sort()).toEqual([...expected.keys()].sort())
    for (const [name, data] of expected) expect(found.get(name), name).toEqual(data)
  })

  it('keeps what the pickle says of its architecture', async () => {
    const { modules, metadata } = await open('uncond.ada.pkl')
    expect(modules.get('G_ema')).toMatchObject({
      className: 'Generator',
      kwargs: { z_dim: 32, c_dim: 0, w_dim: 32, img_resolution: 32, mapping_kwargs: { num_layers: 2 } },
      attributes: { num_ws: 8 },
    })
    expect(modules.get('D')?.className).toBe('Discriminator')
    expect(modules.get('G_ema.synthesis.b8.conv0')?.attributes).toMatchObject({ up: 2, conv_clamp: 256 })
    expect(metadata.training_set_kwargs).toMatchObject({ resolution: 32, xflip: false })
    expect(JSON.stringify([...modules])).not.toContain('source text')
  })

  it.each([
    ['uncond.ros.pt', 'torch-zip'],
    ['uncond.ros_legacy.pt', 'torch-legacy'],
  ])('reads %s, %s, under rosinality names', async (file, layout) => {
    const checkpoint = await open(file)
    expect(checkpoint.layout).toBe(layout)
    const found = await fromRosinality(checkpoint, 32)
    for (const [name, data] of await golden()) {
      if (isBuffer(name) || (layout === 'torch-zip' && name.endsWith('w_avg'))) continue
      if (layout === 'torch-legacy' && name.startsWith('D.')) continue
      expect(found.get(name), name).toEqual(data)
    }
  })

  it('gives the arguments of a training', async () => {
    expect((await open('uncond.ros.pt')).metadata).toMatchObject({
      ada_aug_p: 0,
      args: { size: 32, n_mlp: 2, ckpt: null },
    })
  })

  it('reads the TensorFlow pickle under TensorFlow names', async () => {
    const checkpoint = await open('uncond.tf.pkl')
    expect(checkpoint.layout).toBe('tensorflow-pickle')
    expect(checkpoint.modules.get('Gs')).toMatchObject({
      kwargs: { resolution: 32, fmap_base: 512 },
      attributes: { version: 4, build_func_name: 'G_main' },
    })
    const found = await fromTensorflow(checkpoint)
    for (const [name, data] of await golden()) {
      if (isBuffer(name)) continue
      if (name.includes('affine.bias'))
        // Stored less 1 in float32.
        found.get(name)!.forEach((value, index) => void expect(Math.abs(value - data[index]!)).toBeLessThan(2e-7))
      else expect(found.get(name), name).toEqual(data)
    }
  })
})

describe('the tiny checkpoints', () => {
  const expected = {
    weight: { dtype: 'float32', shape: [2, 3, 2], data: Float32Array.from({ length: 12 }, (_, i) => i / 8 - 0.5) },
    bias: { dtype: 'float32', shape: [3], data: Float32Array.of(0.25, 0.375, -0.25) },
    half: { dtype: 'float16', shape: [5], data: Float32Array.of(0, 1, -2, 65504, 2 ** -24) },
    steps: { dtype: 'int64', shape: [2], data: BigInt64Array.of(7n, -(2n ** 40n)) },
    scale: { dtype: 'float32', shape: [], data: Float32Array.of(9) },
  }

  it.each([
    ['tiny.safetensors', 'safetensors', ''],
    ['tiny.zip.pt', 'torch-zip', 'net.'],
    ['tiny.legacy.pt', 'torch-legacy', 'net.'],
    ['tiny.ada3.pkl', 'stylegan-pickle', 'G_ema.layer.'],
    ['tiny.ada4.pkl', 'stylegan-pickle', 'G_ema.layer.'],
    ['tiny.tf2.pkl', 'tensorflow-pickle', 'Gs/layer/'],
    ['tiny.tf4.pkl', 'tensorflow-pickle', 'Gs/layer/'],
  ])('%s: permuted strides, shared storages, half, integers, scalars', async (file, layout, prefix) => {
    const checkpoint = await open(file)
    expect(checkpoint.layout).toBe(layout)
    expect(Object.fromEntries(await loadAll(checkpoint))).toEqual(
      Object.fromEntries(Object.entries(expected).map(([name, tensor]) => [prefix + name, tensor])),
    )
  })

  it('gives elements that the caller may change', async () => {
    const { tensors } = await open('tiny.zip.pt')
    const weight = tensors.get('net.weight')!
    const [first, second] = [await weight.load(), await weight.load()]
    first.fill(0 as never)
    expect(second).toEqual(expected.weight.data)
  })

  it('takes a key named __proto__ for a key', async () => {
    const { metadata } = await open('tiny.zip.pt')
    expect(Object.getPrototypeOf(metadata)).toBeNull()
    expect(Object.keys(metadata)).toContain('__proto__')
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })
})
