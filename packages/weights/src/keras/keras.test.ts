import { describe, expect, it } from 'vitest'
import { failure, fixture, loadAll } from '../../test/fixtures.js'
import { openCheckpoint } from '../index.js'

const open = (name: string) => openCheckpoint(fixture(name))
const steps = (count: number, first = -0.5) => Float32Array.from({ length: count }, (_, i) => first + i / 8)

describe('Keras weights', () => {
  it.each(['tiny.keras2.h5', 'tiny.keras2-model.h5'])('%s: layers that list their weights', async file => {
    const checkpoint = await open(file)
    expect(checkpoint.layout).toBe('keras-h5')
    expect({ ...checkpoint.metadata }).toEqual({ keras_version: '2.4.0', backend: 'tensorflow' })
    expect(Object.fromEntries(await loadAll(checkpoint))).toEqual({
      'conv/kernel': { dtype: 'float32', shape: [2, 1, 1, 3], data: steps(6) },
      'conv/bias': { dtype: 'float16', shape: [3], data: steps(3) },
      'bn/gamma': { dtype: 'float32', shape: [3], data: steps(3) },
      'bn/beta': { dtype: 'float64', shape: [3], data: Float64Array.from(steps(3)) },
      'outer/BatchNorm/gamma': { dtype: 'float32', shape: [3], data: steps(3) },
      'inner/a/kernel': { dtype: 'float32', shape: [2], data: steps(2) },
      'inner/b/kernel': { dtype: 'int64', shape: [2], data: BigInt64Array.of(7n, -2n) },
    })
  })

  const numbered = {
    'first/0': [1, 1, 1, 2],
    'first/1': [2],
    'norm/0': [2],
    'norm/1': [2],
    'norm/2': [2],
    'norm/3': [2],
    'second/0': [1, 1, 2, 1],
  }
  const shapes = async (bytes: Uint8Array) => {
    const { tensors } = await openCheckpoint(bytes)
    return Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape]))
  }
  const archive = Buffer.from(fixture('tiny.keras'))
  const weights = archive.subarray(archive.indexOf('\x89HDF', 0, 'latin1'))

  it('of Keras 3 are numbered, and have the names of their layers', async () => {
    expect((await open('tiny.keras')).layout).toBe('keras-zip')
    expect(await shapes(archive)).toEqual(numbered)
    expect((await loadAll(await open('tiny.keras'))).get('norm/2')!.data).toEqual(steps(2, 3.5))
    expect(await shapes(weights)).toEqual(numbered)
  })

  it('that do not tell the names of their layers get them from the configuration', async () => {
    const unnamed = Buffer.from(archive.toString('latin1').replaceAll('name\0\0\0\0', 'nome\0\0\0\0'), 'latin1')
    expect(unnamed.equals(archive)).toBe(false)
    const { tensors } = await openCheckpoint(unnamed, { checksums: false })
    expect([...tensors.keys()].sort()).toEqual(Object.keys(numbered))
    const alone = unnamed.subarray(unnamed.indexOf('\x89HDF', 0, 'latin1'))
    expect([...(await openCheckpoint(alone)).tensors.keys()]).toContain('conv2d_1/0')
  })

  it('in a .keras are checked against its CRC-32', async () => {
    const broken = Buffer.from(archive)
    broken[broken.indexOf(Buffer.from(steps(2, 3.5).buffer))]! ^= 1
    expect((await failure(openCheckpoint(broken))).message).toContain("'model.weights.h5' fails its CRC-32")
    expect((await openCheckpoint(broken, { checksums: false })).tensors.size).toBe(7)
  })

  it.each([
    ['odd.chunked.h5', "its HDF5 dataset 'x' is compressed"],
    ['odd.dense.h5', 'keeps the members of a group in a heap'],
  ])('are refused with a reason when HDF5 keeps them in a way that Keras does not: %s', async (file, message) => {
    const error = await failure(open(file))
    expect(error).toMatchObject({ code: 'unsupported' })
    expect(error.message).toContain(message)
  })

  it('are refused when a group is inside itself', async () => {
    const looped = Buffer.from(fixture('tiny.keras2-model.h5'))
    const root = looped.readBigUInt64LE(36)
    const group = looped.indexOf('inner', 0, 'latin1') + 'inner'.length
    looped.writeBigUInt64LE(root, group)
    expect((await failure(openCheckpoint(looped))).message).toContain('in two places, or inside itself')
  })
})
