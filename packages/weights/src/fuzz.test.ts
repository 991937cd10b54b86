import { FxError, type SeededRandom, seededRandom } from '@fx/core'
import { afterAll, describe, expect, it } from 'vitest'
import { fixture } from '../test/fixtures.js'
import { mutate } from '../test/mutate.js'
import { tinyTfjs } from '../test/tfjs.js'
import { type Checkpoint, type OpenOptions, openCheckpoint } from './index.js'

const elementTypes: Record<string, unknown> = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Float32Array,
  bfloat16: Float32Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint64: BigUint64Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
}

type Loaded = Map<string, { readonly shape: readonly number[]; readonly bytes: Uint8Array }>

/** Every tensor of a checkpoint, each of the type and number of elements that it announces. */
const load = async (checkpoint: Checkpoint): Promise<Loaded> => {
  const loaded: Loaded = new Map()
  for (const [name, tensor] of checkpoint.tensors) {
    const data = await tensor.load()
    expect(data).toBeInstanceOf(elementTypes[tensor.dtype])
    expect(data.length).toBe(tensor.shape.reduce((product, size) => product * size, 1))
    loaded.set(name, { shape: tensor.shape, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) })
  }
  return loaded
}

const attempt = async (bytes: Uint8Array, options: OpenOptions = {}): Promise<Loaded | FxError> => {
  try {
    return await load(await openCheckpoint(bytes, options))
  } catch (error) {
    if (FxError.isInstance(error) && ['corrupt-file', 'unsupported'].includes(error.code)) return error
    throw error
  }
}

const pristine = (): string =>
  JSON.stringify([Object.prototype, Array.prototype, Map.prototype, Function.prototype].map(Object.getOwnPropertyNames))
const before = pristine()

/**
 * Opens and loads mutated copies; gives how many were read and how many refused. A torch zip has checksums, so that what
 * can be read at all must be what was written; elsewhere a flipped element is an element like any other.
 */
const fuzz = async (name: string, copies: number, random: SeededRandom): Promise<{ read: number; refused: number }> => {
  const original = fixture(name)
  const checked = name.endsWith('.zip.pt') ? await load(await openCheckpoint(original)) : undefined
  let [read, refused] = [0, 0]
  for (let copy = 0; copy < copies; copy++) {
    // The checksums of a .keras are those of whole files: with them few faults would reach the reader of the weights.
    const result = await attempt(mutate(original, random), { checksums: !name.endsWith('.keras') })
    if (result instanceof Map) {
      read++
      if (checked) expect(result).toEqual(checked)
    } else refused++
  }
  return { read, refused }
}

afterAll(() => {
  expect(pristine()).toBe(before)
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
})

describe('mutated checkpoints give tensors or a typed error', () => {
  it.each([
    'tiny.safetensors',
    'tiny.zip.pt',
    'tiny.legacy.pt',
    'tiny.ada3.pkl',
    'tiny.ada4.pkl',
    'tiny.tf2.pkl',
    'tiny.tf4.pkl',
    'tiny.npy',
    'tiny.keras2.h5',
    'tiny.keras2-model.h5',
    'tiny.keras',
  ])('10,000 copies of %s', async name => {
    const { read, refused } = await fuzz(name, 10_000, seededRandom('fuzz', name))
    expect(read + refused).toBe(10_000)
    // Both happen, or the mutations would prove nothing.
    expect(Math.min(read, refused)).toBeGreaterThan(300)
  })

  it.each(['uncond.weights.safetensors', 'uncond.ros.pt', 'uncond.ros_legacy.pt', 'uncond.ada.pkl', 'uncond.tf.pkl'])(
    '100 copies of %s',
    async name => {
      const { read, refused } = await fuzz(name, 100, seededRandom('fuzz', name))
      expect(read + refused).toBe(100)
    },
  )
})

describe('a tfjs model', () => {
  const { json, shards } = tinyTfjs()
  const open = (text: Uint8Array, files: ReadonlyMap<string, Uint8Array>) =>
    attempt(text, { shards: path => files.get(path) ?? new Uint8Array(0) })

  it('with 10,000 faults in model.json or shards gives tensors or a typed error', async () => {
    const random = seededRandom('fuzz', 'tfjs')
    let read = 0
    for (let copy = 0; copy < 10_000; copy++) {
      const files = new Map(shards)
      const fault = random.integer(3)
      if (fault > 0) files.set(`part${fault}.bin`, mutate(files.get(`part${fault}.bin`)!, random))
      const result = await open(fault > 0 ? json : mutate(json, random), files)
      if (result instanceof Map) read++
    }
    expect(Math.min(read, 10_000 - read)).toBeGreaterThan(300)
  })

  it('cut anywhere is refused, as truncated', async () => {
    for (let length = 0; length < json.length; length++)
      expect(await open(json.subarray(0, length), shards), `${length} bytes`).toMatchObject({
        details: { truncated: true },
      })
    const last = shards.get('part2.bin')!
    for (let length = 0; length < last.length; length++)
      expect(await open(json, new Map([...shards, ['part2.bin', last.subarray(0, length)]]))).toMatchObject({
        details: { truncated: true },
      })
  })
})

describe('every prefix of a checkpoint is refused', () => {
  it.each([
    'tiny.safetensors',
    'tiny.zip.pt',
    'tiny.legacy.pt',
    'tiny.ada3.pkl',
    'tiny.ada4.pkl',
    'tiny.tf2.pkl',
    'tiny.tf4.pkl',
    'tiny.npy',
    'tiny.keras2.h5',
    'tiny.keras2-model.h5',
    'tiny.keras',
  ])('%s, as truncated', async name => {
    const whole = fixture(name)
    for (let length = 0; length < whole.length; length++) {
      const result = await attempt(whole.subarray(0, length))
      expect(result, `${length} bytes`).toBeInstanceOf(Error)
      expect((result as FxError).details.truncated, `${length} bytes: ${(result as FxError).message}`).toBe(true)
    }
  })
})

describe('a flipped bit in the elements of a tensor', () => {
  const flip = (bytes: Uint8Array, at: number): Uint8Array => {
    const copy = Uint8Array.from(bytes)
    copy[at]! ^= 1
    return copy
  }

  it('changes that tensor and no other, where a layout has no checksums', async () => {
    const whole = fixture('tiny.safetensors')
    const expected = await load(await openCheckpoint(whole))
    const dataStart = 8 + Number(new DataView(whole.buffer, whole.byteOffset).getBigUint64(0, true))
    for (let at = dataStart; at < whole.length; at++) {
      const found = (await attempt(flip(whole, at))) as Loaded
      const changed = [...expected].filter(([name, { bytes }]) => Buffer.compare(bytes, found.get(name)!.bytes) !== 0)
      expect(changed.length).toBe(1)
    }
  })

  it('is recognised by the CRC-32 of a torch zip, unless that is not wanted', async () => {
    const whole = fixture('tiny.zip.pt')
    const weight = Buffer.from(whole).indexOf(Buffer.from(Float32Array.of(9, 9).buffer))
    const broken = flip(whole, weight)
    expect(((await attempt(broken)) as FxError).message).toContain("'tiny/data/0' fails its CRC-32")
    expect((await load(await openCheckpoint(broken, { checksums: false }))).size).toBe(5)
  })
})
