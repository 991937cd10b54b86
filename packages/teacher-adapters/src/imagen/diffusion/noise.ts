import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'

/** What names a random stream, as in `seededRandom`. */
export type StreamPath = readonly (string | number)[]

/**
 * Standard normal noise `[N, height, width, channels]`, for each image from a stream of its own: an image's noise does not
 * depend on its batch. The caller owns it.
 */
export const seededNoise = (
  streams: readonly StreamPath[],
  [height, width, channels]: readonly [number, number, number],
): tf.Tensor4D => {
  const size = height * width * channels
  const values = new Float32Array(streams.length * size)
  streams.forEach((path, image) => {
    const { uniform } = seededRandom(...path)
    // Box-Muller gives two at a time.
    for (let i = 0; i < size; i += 2) {
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()))
      const angle = 2 * Math.PI * uniform()
      values[image * size + i] = radius * Math.cos(angle)
      if (i + 1 < size) values[image * size + i + 1] = radius * Math.sin(angle)
    }
  })
  return tf.tensor4d(values, [streams.length, height, width, channels])
}
