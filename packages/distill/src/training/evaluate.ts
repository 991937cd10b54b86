import type { EffectSpec } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import { type Batch, plainBatch } from '../data/batches.js'
import { changedMask, type PairPixels, type PairSet } from '../data/pairs.js'
import { batchTensors, forward } from './forward.js'

/** PSNR of an exact copy is infinite, which JSON cannot hold; figures stop here. */
export const MAX_PSNR_DB = 100

/** Figures of one held-out pair. Errors are mean absolute errors of images in [0, 1]. */
export interface SampleFigures {
  seed: number
  id: string
  /** Student against target inside the changed region; null when the teacher changed nothing. */
  studentMae: number | null
  /** Input against target inside the changed region. */
  doNothingMae: number | null
  /** Student against input outside the changed region; null when the teacher changed everything. */
  keptPsnrDb: number | null
  /** The part of the pixels that the teacher changed. */
  changedFraction: number
}

/** How well a student does on held-out pairs, pooled over all their pixels. */
export interface Evaluation {
  heldOut: number
  changedRegion: { studentMae: number; doNothingMae: number; fraction: number }
  keptRegion: { psnrDb: number }
  fullImage: { studentMae: number; doNothingMae: number; psnrDb: number }
  samples: SampleFigures[]
}

export interface EvaluateOptions {
  model: LayersModel
  pairs: PairSet
  seeds: readonly number[]
  effect: EffectSpec
  batchSize: number
  changedThreshold: number
  onProgress?: (done: number, total: number) => void
}

/** The model's answers, clipped to [0, 1] as a screen would. */
const predict = async (model: LayersModel, batch: Batch, size: number): Promise<Float32Array> => {
  const output = tf.tidy(() => tf.clipByValue(forward(model, batchTensors(batch, size).inputs, false), 0, 1))
  try {
    return (await output.data()) as Float32Array
  } finally {
    output.dispose()
  }
}

/** The model's answer to each of some pairs, HWC in [0, 1]. */
export async function* predictions(
  options: Pick<EvaluateOptions, 'model' | 'pairs' | 'seeds' | 'effect' | 'batchSize'>,
): AsyncGenerator<{ seed: number; pixels: PairPixels; output: Float32Array }> {
  const { model, pairs, seeds, effect, batchSize } = options
  const values = pairs.size ** 2 * 3
  for (let start = 0; start < seeds.length; start += batchSize) {
    const chosen = seeds.slice(start, start + batchSize)
    const output = await predict(model, await plainBatch(pairs, chosen, effect), pairs.size)
    for (const [index, seed] of chosen.entries()) {
      yield { seed, pixels: await pairs.read(seed), output: output.slice(index * values, (index + 1) * values) }
    }
    await new Promise(setImmediate)
  }
}

/** Sums over values, by region. */
interface Sums {
  changed: { count: number; student: number; doNothing: number }
  kept: { count: number; squared: number }
  all: { count: number; student: number; doNothing: number; squared: number }
}

const emptySums = (): Sums => ({
  changed: { count: 0, student: 0, doNothing: 0 },
  kept: { count: 0, squared: 0 },
  all: { count: 0, student: 0, doNothing: 0, squared: 0 },
})

const psnr = (squared: number, count: number): number =>
  Math.min(MAX_PSNR_DB, squared === 0 ? MAX_PSNR_DB : -10 * Math.log10(squared / count))

const measure = (pixels: PairPixels, output: Float32Array, threshold: number, ...into: Sums[]): void => {
  const { input, target } = pixels
  const mask = changedMask(pixels, threshold)
  for (let at = 0; at < output.length; at++) {
    const before = input[at]! / 255
    const after = target[at]! / 255
    const error = Math.abs(output[at]! - after)
    const doNothing = Math.abs(before - after)
    const drift = output[at]! - before
    const isChanged = mask[Math.floor(at / 3)] === 1
    for (const { changed, kept, all } of into) {
      all.count++
      all.student += error
      all.doNothing += doNothing
      all.squared += error * error
      if (isChanged) {
        changed.count++
        changed.student += error
        changed.doNothing += doNothing
      } else {
        kept.count++
        kept.squared += drift * drift
      }
    }
  }
}

/**
 * Measures a student on held-out pairs against the baseline of doing nothing (the input as the answer): the mean
 * absolute error where the teacher changed the picture, and how well the rest is kept, as the PSNR of the student's
 * answer against the input.
 */
export const evaluate = async (options: EvaluateOptions): Promise<Evaluation> => {
  const { pairs, seeds, changedThreshold, onProgress } = options
  const pooled = emptySums()
  const samples: SampleFigures[] = []
  for await (const { seed, pixels, output } of predictions(options)) {
    const own = emptySums()
    measure(pixels, output, changedThreshold, own, pooled)
    samples.push({
      seed,
      id: pairs.facts[seed]!.id,
      studentMae: own.changed.count ? own.changed.student / own.changed.count : null,
      doNothingMae: own.changed.count ? own.changed.doNothing / own.changed.count : null,
      keptPsnrDb: own.kept.count ? psnr(own.kept.squared, own.kept.count) : null,
      changedFraction: own.changed.count / own.all.count,
    })
    onProgress?.(samples.length, seeds.length)
  }
  const { changed, kept, all } = pooled
  const mean = (sum: number, count: number): number => (count ? sum / count : 0)
  return {
    heldOut: samples.length,
    changedRegion: {
      studentMae: mean(changed.student, changed.count),
      doNothingMae: mean(changed.doNothing, changed.count),
      fraction: mean(changed.count, all.count),
    },
    keptRegion: { psnrDb: kept.count ? psnr(kept.squared, kept.count) : MAX_PSNR_DB },
    fullImage: {
      studentMae: mean(all.student, all.count),
      doNothingMae: mean(all.doNothing, all.count),
      psnrDb: psnr(all.squared, all.count),
    },
    samples,
  }
}
