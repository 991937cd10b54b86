import { FxError, numberIn } from '@fx/core'
import type { RgbImage } from '../contract/types.js'
import { movedShare } from './alignment-shift.js'
import { downscale } from './downscale.js'
import { changedRegion, checkRgbImage } from './rgb.js'

/** What a pair must keep to be accepted. */
export interface AlignmentOptions {
  /** A pixel counts as changed when a channel differs by more than this, 0-255. Default 24. */
  threshold?: number
  /** The least share of pixels that change; below, the edit did not show. Default 0.005. */
  minChanged?: number
  /** The largest share of pixels that change; above, it is another picture. Default 0.7. */
  maxChanged?: number
  /** The largest mean difference outside the changed area, 0-255: a GAN changes every pixel a little. Default 8. */
  maxDrift?: number
  /** The largest share of the textured tiles that match better one or two pixels aside. Default 0.25. */
  maxMoved?: number
}

export interface AlignmentScores {
  /** Share of pixels that changed by more than the threshold, 0-1. */
  changed: number
  /** Mean absolute difference outside the changed area (grown by 1/32 of the side), 0-255. */
  drift: number
  /** Share of the tiles with texture whose content moved, 0-1. */
  moved: number
}

type Limit = Exclude<keyof AlignmentOptions, 'threshold'>

export interface AlignmentVerdict {
  scores: AlignmentScores
  /** The first limit that the pair breaks, and the score that breaks it; absent when it is accepted. */
  broken?: { limit: Limit; score: number }
}

const DEFAULTS: Required<AlignmentOptions> = {
  threshold: 24,
  minChanged: 0.005,
  maxChanged: 0.7,
  maxDrift: 8,
  maxMoved: 0.25,
}

/** Larger images are judged at this side: what is a pixel there cannot be seen in the whole. */
const JUDGED_SIDE = 128

/**
 * The options with their defaults.
 *
 * @throws FxError `invalid-argument` for a value out of range.
 */
export const resolveAlignment = (options: AlignmentOptions): Required<AlignmentOptions> => {
  const all = { ...DEFAULTS, ...options }
  numberIn('alignment: threshold', all.threshold, 0, 255)
  numberIn('alignment: minChanged', all.minChanged, 0, 1)
  numberIn('alignment: maxChanged', all.maxChanged, all.minChanged, 1)
  numberIn('alignment: maxDrift', all.maxDrift, 0, 255)
  numberIn('alignment: maxMoved', all.maxMoved, 0, 1)
  return all
}

/** A mask and everything within `radius` pixels of it, in a square. */
const grown = (mask: Uint8Array, side: number, radius: number): Uint8Array => {
  const result = new Uint8Array(mask.length)
  mask.forEach((value, i) => {
    if (!value) return
    const [x, y] = [i % side, Math.floor(i / side)]
    for (let row = Math.max(0, y - radius); row <= Math.min(side - 1, y + radius); row++) {
      result.fill(1, row * side + Math.max(0, x - radius), row * side + Math.min(side - 1, x + radius) + 1)
    }
  })
  return result
}

const rounded = (value: number): number => Math.round(value * 1e4) / 1e4

/**
 * Whether the target shows the edit and leaves the rest of the square input where and as it was. Images larger than 128
 * pixels are judged at 128.
 *
 * @throws FxError `shape-mismatch` when the images differ in size or are not square, `invalid-argument`.
 */
export const judgeAlignment = (input: RgbImage, target: RgbImage, options: AlignmentOptions = {}): AlignmentVerdict => {
  const limits = resolveAlignment(options)
  for (const { width, height } of [checkRgbImage(input, 'The input'), checkRgbImage(target, 'The target')]) {
    if (width !== height || width !== input.width) {
      throw new FxError(
        'shape-mismatch',
        `The input is ${input.width}x${input.height}, the target ${target.width}x${target.height}; they must be square and equal`,
      )
    }
  }
  const side = Math.min(input.width, JUDGED_SIDE)
  const [before, after] = [downscale(input, side), downscale(target, side)]
  const mask = changedRegion(before, after, limits.threshold)
  const away = grown(mask, side, Math.max(1, Math.round(side / 32)))
  let [outside, difference] = [0, 0]
  away.forEach((edited, i) => {
    if (edited) return
    outside++
    for (let c = 3 * i; c < 3 * i + 3; c++) difference += Math.abs(before.data[c]! - after.data[c]!) / 3
  })
  const scores = {
    changed: rounded(mask.reduce((sum, value) => sum + value, 0) / mask.length),
    drift: outside > 0 ? rounded(difference / outside) : 0,
    moved: rounded(movedShare(before, after)),
  }
  const broken = (
    [
      ['minChanged', scores.changed, scores.changed < limits.minChanged],
      ['maxChanged', scores.changed, scores.changed > limits.maxChanged],
      ['maxMoved', scores.moved, scores.moved > limits.maxMoved],
      ['maxDrift', scores.drift, scores.drift > limits.maxDrift],
    ] as const
  ).find(([, , breaks]) => breaks)
  return { scores, ...(broken && { broken: { limit: broken[0], score: broken[1] } }) }
}
