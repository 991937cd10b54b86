import { type EffectSpec, type SeededRandom, seededRandom } from '@fx/core'
import type { AugmentationOptions } from '../config/types.js'
import type { PairPixels, PairSet } from './pairs.js'

/** One training batch as plain arrays, NHWC. Fresh for each batch: some backends keep the array they are given. */
export interface Batch {
  /** How many pairs. */
  count: number
  /** `[count, size, size, 3]` in [0, 1]. */
  input: Float32Array
  target: Float32Array
  /** `[count, size, size, 1]`, how much each pixel counts. */
  weights: Float32Array
  /** `[count, P]`, the effect's parameters in the order of the effect spec. */
  parameters: Float32Array
}

export interface BatchOptions {
  pairs: PairSet
  /** Which pairs of the set. */
  seeds: readonly number[]
  seed: number
  effect: EffectSpec
  batchSize: number
  changedThreshold: number
  changedRegionWeight: number
  augmentation: Required<AugmentationOptions> | false
}

/**
 * The batch of any step, from the step's number alone: each epoch has its own seeded order and each step its own seeded
 * augmentation, so that a resumed run needs no random state.
 */
export const batchSource = (options: BatchOptions): ((step: number) => Promise<Batch>) => {
  const { pairs, seeds, seed, batchSize, augmentation } = options
  let epoch = -1
  let order: number[] = []
  const seedAt = (position: number): number => {
    const current = Math.floor(position / seeds.length)
    if (current !== epoch) {
      epoch = current
      order = seededRandom(seed, 'shuffle', epoch).shuffled(seeds)
    }
    return order[position % seeds.length]!
  }
  return async step => {
    const chosen = Array.from({ length: batchSize }, (_, index) => seedAt(step * batchSize + index))
    const random = augmentation && seededRandom(seed, 'augment', step)
    const batch = emptyBatch(chosen.length, pairs.size, options.effect)
    const pixels = await Promise.all(chosen.map(index => pairs.read(index)))
    for (const [index, pair] of pixels.entries()) {
      fill(batch, index, pair, options, random ? draw(random, augmentation as Required<AugmentationOptions>) : identity)
      fillParameters(batch, index, pairs, chosen[index]!, options.effect)
    }
    return batch
  }
}

/** Pairs as they are, for evaluation: no augmentation, every weight 1. */
export const plainBatch = async (pairs: PairSet, seeds: readonly number[], effect: EffectSpec): Promise<Batch> => {
  const batch = emptyBatch(seeds.length, pairs.size, effect)
  const pixels = await Promise.all(seeds.map(index => pairs.read(index)))
  const weighting = { pairs, changedThreshold: 0, changedRegionWeight: 1 }
  for (const [index, pair] of pixels.entries()) {
    fill(batch, index, pair, weighting, identity)
    fillParameters(batch, index, pairs, seeds[index]!, effect)
  }
  return batch
}

/** How one pair is changed: the same for input and target. */
interface Augmentation {
  flip: boolean
  dx: number
  dy: number
  gains: readonly [number, number, number]
}

const identity: Augmentation = { flip: false, dx: 0, dy: 0, gains: [1, 1, 1] }

const draw = (random: SeededRandom, options: Required<AugmentationOptions>): Augmentation => {
  const within = (range: number): number => (random.uniform() * 2 - 1) * range
  const shift = (): number => random.integer(2 * options.shift + 1) - options.shift
  const flip = random.uniform() < 0.5 && options.flip
  const [dx, dy] = [shift(), shift()]
  const brightness = 1 + within(options.brightness)
  const gain = (): number => brightness * (1 + within(options.colour))
  return { flip, dx, dy, gains: [gain(), gain(), gain()] }
}

const emptyBatch = (count: number, size: number, effect: EffectSpec): Batch => ({
  count,
  input: new Float32Array(count * size * size * 3),
  target: new Float32Array(count * size * size * 3),
  weights: new Float32Array(count * size * size),
  parameters: new Float32Array(count * Object.keys(effect.parameters).length),
})

const fillParameters = (batch: Batch, index: number, pairs: PairSet, seed: number, effect: EffectSpec): void => {
  for (const [position, [name, range]] of Object.entries(effect.parameters).entries()) {
    const width = batch.parameters.length / batch.count
    batch.parameters[index * width + position] = pairs.facts[seed]!.parameters[name] ?? range.default
  }
}

/** 0-255 to [0, 1] times a gain, clipped. */
const table = (gain: number): Float32Array =>
  Float32Array.from({ length: 256 }, (_, value) => Math.min(1, (value / 255) * gain))

const fill = (
  batch: Batch,
  index: number,
  { input, target }: PairPixels,
  options: { pairs: PairSet; changedThreshold: number; changedRegionWeight: number },
  { flip, dx, dy, gains }: Augmentation,
): void => {
  const { changedThreshold: threshold, changedRegionWeight, pairs } = options
  const { size } = pairs
  const last = size - 1
  const tables = gains.map(table)
  let to = index * size * size
  for (let y = 0; y < size; y++) {
    const row = Math.min(last, Math.max(0, y + dy)) * size
    for (let x = 0; x < size; x++, to++) {
      const column = Math.min(last, Math.max(0, (flip ? last - x : x) + dx))
      const from = (row + column) * 3
      let changed = false
      for (let channel = 0; channel < 3; channel++) {
        const before = input[from + channel]!
        const after = target[from + channel]!
        batch.input[to * 3 + channel] = tables[channel]![before]!
        batch.target[to * 3 + channel] = tables[channel]![after]!
        if (Math.abs(before - after) > threshold) changed = true
      }
      batch.weights[to] = changed ? changedRegionWeight : 1
    }
  }
}
