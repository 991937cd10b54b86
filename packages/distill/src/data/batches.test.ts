import { expect, test } from 'vitest'
import { effect } from '../../test/fixtures/tiny.js'
import { type BatchOptions, batchSource, plainBatch } from './batches.js'
import { changedMask, type PairSet } from './pairs.js'
import { splitSeeds } from './split.js'

const SIZE = 4
const provenance = { teacher: { id: 't', version: '1' }, seed: 0, licence: { id: 'CC0-1.0' } }

/** Pair `i` has the value `i` everywhere; its target differs in the pixel at (0, 0) alone. */
const pairs = (count: number): PairSet => ({
  size: SIZE,
  facts: Array.from({ length: count }, (_, i) => ({
    id: `${i}`,
    parameters: { strength: i },
    provenance,
    inputHash: `${i}`,
  })),
  read: index => {
    const input = new Uint8Array(SIZE * SIZE * 3).fill(index)
    const target = input.slice()
    target[1] = 255
    return { input, target }
  },
})

const options = (change: Partial<BatchOptions> = {}): BatchOptions => ({
  pairs: pairs(10),
  seeds: [0, 1, 2, 3, 4, 5, 6],
  seed: 3,
  effect,
  batchSize: 2,
  changedThreshold: 8,
  changedRegionWeight: 8,
  augmentation: false,
  ...change,
})

const seedsOf = (input: Float32Array, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.round(input[i * SIZE * SIZE * 3 + 5]! * 255))

test('an epoch shows each pair once, in another order than the next, whatever the batch size', async () => {
  const source = batchSource(options())
  const seen: number[] = []
  for (let step = 0; step < 7; step++) seen.push(...seedsOf((await source(step)).input, 2))
  const [first, second] = [seen.slice(0, 7), seen.slice(7)]
  expect([...first].sort()).toEqual([0, 1, 2, 3, 4, 5, 6])
  expect([...second].sort()).toEqual([0, 1, 2, 3, 4, 5, 6])
  expect(first).not.toEqual(second)
})

test('a batch depends on its step alone', async () => {
  const augmentation = { flip: true, shift: 1, brightness: 0.2, colour: 0.1 }
  const source = batchSource(options({ augmentation }))
  await source(0)
  const later = await source(9)
  expect(await batchSource(options({ augmentation }))(9)).toEqual(later)
  expect(await source(10)).not.toEqual(later)
})

test('changed pixels weigh more, and follow the augmentation', async () => {
  const plain = await batchSource(options())(0)
  expect([...plain.weights.slice(0, 3)]).toEqual([8, 1, 1])
  const augmentation = { flip: true, shift: 0, brightness: 0, colour: 0 }
  const source = batchSource(options({ augmentation }))
  const corners = new Set<number>()
  for (let step = 0; step < 20; step++) {
    const { weights, target } = await source(step)
    const heavy = [...weights.slice(0, 16)].indexOf(8)
    corners.add(heavy)
    expect(target[heavy * 3 + 1]).toBe(1)
  }
  expect([...corners].sort()).toEqual([0, 3])
})

test('input and target are jittered alike and stay in [0, 1]', async () => {
  const bright: PairSet = {
    ...pairs(10),
    read: () => ({ input: new Uint8Array(48).fill(250), target: new Uint8Array(48).fill(250) }),
  }
  const source = batchSource(
    options({ pairs: bright, augmentation: { flip: false, shift: 2, brightness: 0.5, colour: 0.2 } }),
  )
  const values = new Set<number>()
  for (let step = 0; step < 8; step++) {
    const { input, target } = await source(step)
    expect(input).toEqual(target)
    expect(Math.max(...input)).toBeLessThanOrEqual(1)
    for (const value of input) values.add(value)
  }
  expect(values.size).toBeGreaterThan(8)
})

test('parameters stand in the order of the effect', async () => {
  const parameters = { strength: { min: 0, max: 9, default: 1 }, missing: { min: 0, max: 1, default: 0.5 } }
  const batch = await plainBatch(pairs(4), [2, 3], { ...effect, parameters })
  expect([...batch.parameters]).toEqual([2, 0.5, 3, 0.5])
  expect(new Set(batch.weights)).toEqual(new Set([1]))
})

test('the split is disjoint, complete, seeded and in order', () => {
  const { train, heldOut } = splitSeeds(5, 30, 10)
  expect(heldOut).toHaveLength(10)
  expect([...train, ...heldOut].sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i))
  expect(heldOut).toEqual([...heldOut].sort((a, b) => a - b))
  expect(splitSeeds(5, 30, 10)).toEqual({ train, heldOut })
  expect(splitSeeds(6, 30, 10).heldOut).not.toEqual(heldOut)
})

test('a pixel is changed when any channel differs by more than the threshold', () => {
  const input = new Uint8Array(9)
  const target = Uint8Array.from([8, 0, 0, 0, 0, 9, 0, 0, 0])
  expect([...changedMask({ input, target }, 8)]).toEqual([0, 1, 0])
})
