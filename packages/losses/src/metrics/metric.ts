import { FxError, listed } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'

/**
 * Images that are judged together: `[N, H, W, C]` in [0, 1], all of one shape. A metric reads what it needs and says what
 * is missing, so that one batch serves many metrics. The caller keeps the tensors.
 */
export interface MetricBatch {
  /** What the student made. */
  output: tf.Tensor4D
  /** What it should have made. */
  target?: tf.Tensor4D
  /** What it was given. */
  input?: tf.Tensor4D
  /** How much each pixel counts, `[N, H, W, 1]`, non-negative. Metrics of pixels honour it. */
  mask?: tf.Tensor4D
  /** For metrics of video: each image's frame before. */
  previous?: {
    output: tf.Tensor4D
    input: tf.Tensor4D
    /** Where a pixel was in the frame before, `[N, H, W, 2]`: (dx, dy) in pixels, to be added to its position. */
    flow?: tf.Tensor4D
  }
  /** Which group the images belong to, one name for all or one an image: a skin tone, a style. */
  slice?: string | readonly string[]
}

/** What a metric may need beside the output. */
export type BatchPart = 'target' | 'input' | 'previous'

/** A range that holds the true value with the given probability. */
export interface ConfidenceInterval {
  low: number
  high: number
  /** For instance 0.95. */
  level: number
}

export interface MetricResult {
  value: number
  /** How many images the value rests on; images that say nothing (an empty mask, no change to compare) do not count. */
  count: number
  /** Null where it cannot be told: a single image, or intervals turned off. */
  interval: ConfidenceInterval | null
}

export interface SliceTable {
  /** One row a slice, the worst first. */
  rows: ({ slice: string } & MetricResult)[]
  /** Slices with too few images for this metric; they have no row. */
  tooFew: string[]
  /** The slice whose value is farthest from the metric's ideal. */
  worst: string
  /** The difference between the worst and the best slice, not negative. */
  gap: number
}

/** A figure over any number of images, collected batch by batch in constant memory. */
export interface Metric {
  /** Says in tables what the figure rests on. */
  readonly name: string
  /** The value of a perfect student; `Infinity` when more is always better, `-Infinity` when less is. */
  readonly ideal: number
  /**
   * Takes images in; wait for it before asking for the result. A batch that is refused changes nothing.
   *
   * @throws FxError `invalid-argument` for a missing part, values outside [0, 1] or slices that do not match;
   * `shape-mismatch` for images of different shapes; `not-finite` when values, or the figure of an image, are.
   */
  add(batch: MetricBatch): Promise<void>
  /**
   * The figure over all images so far. More images may follow.
   *
   * @throws FxError `invalid-argument` when there are too few images.
   */
  result(): MetricResult
  /**
   * The figure of each slice. Images without a slice count in `result()` only.
   *
   * @throws FxError `invalid-argument` when no slice has enough images.
   */
  slices(): SliceTable
}

/** The numbers that one image adds; null when it has nothing to say. */
export type Row = ArrayLike<number> | null

/** Rows to a figure, in constant memory. */
export interface Accumulator {
  add(row: ArrayLike<number>): void
  readonly count: number
  /** Called only when there are enough images. */
  result(): MetricResult
}

interface MetricParts {
  name: string
  ideal: number
  needs: readonly BatchPart[]
  /** One row for each image of a checked batch. */
  measure(batch: MetricBatch): Promise<readonly Row[]>
  /** `slice` is null for all images. */
  accumulator(slice: string | null): Accumulator
  /** How few images give a figure. Default 1. */
  fewest?: number
}

const text = (tensor: tf.Tensor): string => `[${tensor.shape.join(', ')}]`

const checkShapes = (name: string, images: Record<string, tf.Tensor4D>, { output, mask, previous }: MetricBatch) => {
  const refuse = (message: string): never => {
    throw new FxError('shape-mismatch', `${name}: ${message}`, { details: { output: output.shape } })
  }
  if (output.rank !== 4 || output.size === 0) refuse(`the output must be [N, H, W, C], got ${text(output)}`)
  for (const [part, image] of Object.entries(images)) {
    if (image.rank !== 4 || image.shape.some((side, axis) => side !== output.shape[axis])) {
      refuse(`the ${part} ${text(image)} must have the shape of the output, ${text(output)}`)
    }
  }
  for (const [part, map, depth] of [['mask', mask, 1] as const, ['flow', previous?.flow, 2] as const]) {
    const shape = [...output.shape.slice(0, 3), depth]
    if (map && (map.rank !== 4 || map.shape.some((side, axis) => side !== shape[axis]))) {
      refuse(`the ${part} must be [${shape.join(', ')}], got ${text(map)}`)
    }
  }
}

/** Room for the rounding of half-precision exports, less than half a step of 8 bits. */
const RANGE_TOLERANCE = 1e-3

const checkRanges = async (name: string, images: Record<string, tf.Tensor4D>, { mask, previous }: MetricBatch) => {
  const all = { ...images, ...(mask && { mask }), ...(previous?.flow && { flow: previous.flow }) }
  // Not every backend lets NaN through a minimum, but each through a sum.
  const extremes = tf.tidy(() =>
    tf.stack(Object.values(all).flatMap(image => [tf.min(image), tf.max(image), tf.sum(tf.mul(image, 0))])),
  )
  try {
    const values = await extremes.data()
    for (const [index, part] of Object.keys(all).entries()) {
      const [low, high, zero] = values.slice(3 * index) as Float32Array & [number, number, number]
      const refuse = (code: 'invalid-argument' | 'not-finite', demand: string): never => {
        throw new FxError(code, `${name}: the ${part} must be ${demand}; its values go from ${low} to ${high}`, {
          details: { part, low, high },
        })
      }
      if (zero !== 0) refuse('not-finite', 'finite numbers')
      if (part === 'mask' && low < 0) refuse('invalid-argument', 'not negative')
      if (part in images && !(low >= -RANGE_TOLERANCE && high <= 1 + RANGE_TOLERANCE)) {
        refuse('invalid-argument', 'in [0, 1]; clip it first')
      }
    }
  } finally {
    extremes.dispose()
  }
}

const sliceNames = (name: string, slice: MetricBatch['slice'], count: number): readonly (string | undefined)[] => {
  const names = slice === undefined || typeof slice === 'string' ? new Array(count).fill(slice) : slice
  if (names.length === count && names.every(each => each === undefined || each)) return names
  throw new FxError(
    'invalid-argument',
    `${name}: slice must be a name, or a name for each of the ${count} images, got ${listed(names)}`,
  )
}

/** How far a value is from the ideal, in an order that also works for an ideal at infinity. */
const shortfall = (value: number, ideal: number): number => {
  if (ideal === Number.POSITIVE_INFINITY) return -value
  if (ideal === Number.NEGATIVE_INFINITY) return value
  return Math.abs(value - ideal)
}

/** The part that all metrics share: checks, slices, and the rule that a refused batch changes nothing. */
export const streamingMetric = ({ name, ideal, needs, measure, accumulator, fewest = 1 }: MetricParts): Metric => {
  const all = accumulator(null)
  const bySlice = new Map<string, Accumulator>()

  const partsOf = (batch: MetricBatch): Record<string, tf.Tensor4D> => {
    const { output, target, input, previous } = batch
    const given = { target, input, previous }
    const missing = [...(output ? [] : ['output']), ...needs.filter(part => !given[part])]
    if (missing.length > 0) {
      throw new FxError('invalid-argument', `${name}: the batch lacks ${missing.join(' and ')}`, {
        details: { missing },
      })
    }
    return {
      output,
      ...(target && { target }),
      ...(input && { input }),
      ...(previous && { 'previous output': previous.output, 'previous input': previous.input }),
    }
  }

  return {
    name,
    ideal,
    async add(batch) {
      const images = partsOf(batch)
      checkShapes(name, images, batch)
      const count = batch.output.shape[0]
      const slices = sliceNames(name, batch.slice, count)
      await checkRanges(name, images, batch)
      const rows = await measure(batch)
      rows.forEach((row, image) => {
        if (row && !Array.prototype.every.call(row, Number.isFinite)) {
          throw new FxError('not-finite', `${name}: the figure of image ${image} of ${count} is not finite`, {
            details: { image },
          })
        }
      })
      rows.forEach((row, image) => {
        if (!row) return
        all.add(row)
        const slice = slices[image]
        if (slice === undefined) return
        if (!bySlice.has(slice)) bySlice.set(slice, accumulator(slice))
        bySlice.get(slice)!.add(row)
      })
    },
    result() {
      if (all.count >= fewest) return all.result()
      throw new FxError(
        'invalid-argument',
        `${name}: at least ${fewest} image${fewest > 1 ? 's are' : ' is'} needed, and ${all.count} had anything to measure`,
        { details: { count: all.count, fewest } },
      )
    },
    slices() {
      const enough = [...bySlice].filter(([, { count }]) => count >= fewest)
      const rows = enough
        .map(([slice, rest]) => ({ slice, ...rest.result() }))
        .sort((a, b) => shortfall(b.value, ideal) - shortfall(a.value, ideal))
      const [worst, best] = [rows[0], rows.at(-1)]
      if (!worst || !best) {
        throw new FxError(
          'invalid-argument',
          `${name}: no slice has the ${fewest} image${fewest > 1 ? 's' : ''} it needs`,
        )
      }
      return {
        rows,
        tooFew: [...bySlice].filter(([, { count }]) => count < fewest).map(([slice]) => slice),
        worst: worst.slice,
        gap: Math.abs(worst.value - best.value),
      }
    },
  }
}
