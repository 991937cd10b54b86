import * as tf from '@tensorflow/tfjs-core'
import { inputContext, outputContext } from './pixels.js'
import type { StudentShape, Surface } from './surface.js'

/** What draws a tensor `[height, width, 3 or 4]` of values from 0 to 1, alpha straight, on a canvas of a GPU. */
export interface Painter {
  /** What shows the result until the task ends. */
  paint(image: tf.Tensor3D): OffscreenCanvas
  done(): Promise<void>
  lost(): string | undefined
  dispose(): void
}

/** `values * scale + offset`, without the operations that would change nothing. */
const affine = (values: tf.Tensor, scale: readonly number[], offset: readonly number[]): tf.Tensor => {
  const scaled = scale.every(factor => factor === 1) ? values : tf.mul(values, tf.tensor1d([...scale]))
  return offset.every(term => term === 0) ? scaled : tf.add(scaled, tf.tensor1d([...offset]))
}

/** Pixels that stay on the GPU: from the canvas into a tensor, and from a tensor to the canvas. */
export const gpuSurface = (painter: Painter, shape: StudentShape): Surface => {
  const { width, height, channels } = shape
  const input = inputContext(width, height, false)
  const output = outputContext(width, height, channels === 4)
  const inputScale = (shape.input[1] - shape.input[0]) / 255
  const outputScale = 1 / (shape.output[1] - shape.output[0])
  const outputOffset = -shape.output[0] * outputScale
  // Alpha is from 0 to 1 whatever the range.
  const perChannel = (value: number, alpha: number) => [value, value, value, alpha].slice(0, channels)
  return {
    input,
    output: output.canvas,
    read: () => {
      // Its type leaves out what its implementation takes.
      const pixels = tf.browser.fromPixels(input.canvas as unknown as HTMLCanvasElement)
      const low = shape.input[0]
      return tf.expandDims(affine(pixels, Array(3).fill(inputScale), Array(3).fill(low)), 0)
    },
    write: values => {
      const image = tf.reshape(values, [height, width, channels])
      const drawn = affine(image, perChannel(outputScale, 1), perChannel(outputOffset, 0)) as tf.Tensor3D
      output.globalCompositeOperation = 'copy'
      output.drawImage(painter.paint(drawn), 0, 0)
    },
    done: painter.done,
    lost: painter.lost,
    dispose: painter.dispose,
  }
}
