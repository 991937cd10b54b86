import { portraitEffects, portraits } from '@fx/teacher-adapters/portraits'
import { type DirectionEdit, type Generator, supervisedDirection, toRgbImages } from '@fx/teacher-adapters/stylegan2'
import * as tf from '@tensorflow/tfjs-core'
import { type Attribute, EDITS, type EditedEffect, STYLE } from './attributes.js'
import { type Probe, range } from './probe.js'
import { refineEdit } from './refine-edit.js'

const BATCH = 32

export interface FitOptions {
  /** Samples that the probe labels. */
  samples: number
  /** Truncation of the faces that are edited, as the teacher will have it. The labelled samples are not truncated. */
  psi: number
  /** Steps of gradient descent, an effect. */
  steps: number
  onProgress?: (message: string) => void
}

/** w `[N, wDim]` of samples, and the probe's reading of each. */
const labelledCodes = async (generator: Generator, probe: Probe, count: number) => {
  const { wDim } = generator.config
  const codes = new Float32Array(count * wDim)
  const readings: Record<Attribute, number>[] = []
  for (let start = 0; start < count; start += BATCH) {
    const seeds = [...range(start, Math.min(BATCH, count - start))]
    const w = tf.tidy(() => generator.mapping(generator.latents(seeds)))
    const images = generator.synthesis(w)
    codes.set(await w.data(), start * wDim)
    readings.push(...(await probe.read(await toRgbImages(images))))
    tf.dispose([w, images])
  }
  return { codes, readings }
}

/** Logits far from zero say no more than those at some distance; closer ones tell how near the attribute is. */
const soften = (logit: number): number => Math.tanh(logit / 4)

/**
 * The first row of W+ that an edit may move. Found by trying: moved from row 0 on, new glasses come with another mouth.
 */
const FROM_ROW = 3

/** Of the descent's terms, by trying: glasses are few pixels, and a background borders on all of the hair. */
const WEIGHTS: Record<EditedEffect, { margin: number; keep: number; image: number }> = {
  'hair-colour': { margin: 4, keep: 12, image: 1 },
  background: { margin: 4, keep: 50, image: 1 },
  glasses: { margin: 9, keep: 12, image: 0.3 },
}

/** How much the effect changes drawn portraits: the mean absolute difference of images in [-1, 1]. */
const drawnChange = async (effect: EditedEffect): Promise<number> => {
  let sum = 0
  let count = 0
  const request = { effect: portraitEffects[effect], size: 64, seeds: [...range(0, 64)] }
  for await (const { input, target } of portraits({ style: STYLE }).pairs(request)) {
    input.data.forEach((value, i) => {
      sum += Math.abs(value - target.data[i]!) / 127.5
    })
    count += input.data.length
  }
  return sum / count
}

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0)

/** From the mean code without an attribute to the mean code with it: a way among the faces that there are. */
const meanDifference = (
  codes: Float32Array,
  having: readonly boolean[],
): { vector: Float32Array; to: Float32Array } => {
  const dim = codes.length / having.length
  const meanOf = (wanted: boolean): Float32Array => {
    const sum = new Float32Array(dim)
    let count = 0
    having.forEach((has, row) => {
      if (has !== wanted) return
      count++
      for (let i = 0; i < dim; i++) sum[i]! += codes[row * dim + i]!
    })
    return sum.map(value => value / count)
  }
  const [from, to] = [meanOf(false), meanOf(true)]
  return { vector: to.map((value, i) => value - from[i]!), to }
}

/**
 * An edit for each effect. The probe labels codes; a linear prediction of the attribute from w says how far a face is from
 * it, the difference of the means where to go, and gradient descent refines both.
 */
export const fitEdits = async (
  generator: Generator,
  probe: Probe,
  { samples, psi, steps, onProgress }: FitOptions,
): Promise<DirectionEdit[]> => {
  const { codes, readings } = await labelledCodes(generator, probe, samples)
  const edits: DirectionEdit[] = []
  for (const effect of EDITS) {
    const labels = readings.map(reading => soften(reading[effect]))
    const { normal, intercept, heldOut } = supervisedDirection({ codes, labels })
    const direction = meanDifference(
      codes,
      readings.map(reading => reading[effect] > 0),
    )
    const reached = intercept + dot(normal, direction.to)
    const losses: number[] = []
    const edit = await refineEdit(
      generator,
      probe,
      effect,
      { direction: direction.vector, normal, intercept, score: reached },
      {
        steps,
        fromRow: FROM_ROW,
        ...WEIGHTS[effect],
        batchSize: 16,
        psi,
        learningRate: 0.05,
        expectedChange: await drawnChange(effect),
        onStep: (_, loss) => losses.push(loss),
      },
    )
    const mean = (values: number[]): string => (values.reduce((a, b) => a + b, 0) / values.length).toFixed(3)
    onProgress?.(
      `${effect}: held-out ${heldOut.kind} ${heldOut.value.toFixed(2)}, loss ${mean(losses.slice(0, 10))} to ${mean(losses.slice(-10))}`,
    )
    edits.push(edit)
  }
  return edits
}
