import { FxError } from '@fx/core'
import type { IntervalOptions } from './bootstrap.js'
import { deltaE2000, labOfSrgb } from './lab.js'
import type { Metric, Row } from './metric.js'
import { imageMetric } from './pixel.js'

/**
 * How far the colours of output and target are apart to the eye: the mean CIEDE2000 difference over pixels, of sRGB images
 * `[N, H, W, 3]`. About 1 is the least that people see, black and white are 100 apart. Honours the mask.
 *
 * It runs on the processor in float64, a few microseconds a pixel.
 *
 * @throws FxError from `add`: `shape-mismatch` also for images without 3 channels.
 */
export const colourError = (options: IntervalOptions = {}): Metric =>
  imageMetric('colour error (deltaE2000)', 0, ['target'], options, async ({ output, target, mask }) => {
    const [count, height, width, channels] = output.shape
    if (channels !== 3) {
      throw new FxError(
        'shape-mismatch',
        `colourError: images must have 3 channels, red, green and blue; got ${channels}`,
      )
    }
    const pixels = height * width
    const [ours, theirs, weights] = await Promise.all([output.data(), target!.data(), mask?.data()])
    const lab = (values: ArrayLike<number>, at: number) => labOfSrgb(values[at]!, values[at + 1]!, values[at + 2]!)
    return Array.from({ length: count }, (_, image): Row => {
      let sum = 0
      let total = 0
      for (let pixel = image * pixels; pixel < (image + 1) * pixels; pixel++) {
        const weight = weights?.[pixel] ?? 1
        if (weight === 0) continue
        sum += weight * deltaE2000(lab(ours, 3 * pixel), lab(theirs, 3 * pixel))
        total += weight
      }
      return total > 0 ? [sum / total, 1] : null
    })
  })
