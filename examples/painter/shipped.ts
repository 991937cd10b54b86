import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseBundleManifest } from '@fx/core'
import { readGraphModel } from '@fx/export/node'
import type { RgbImage } from '@fx/teacher-adapters'
import { loadGraphModel } from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'

const folder = fileURLToPath(new URL('bundle/', import.meta.url))

/**
 * The painter of the bundle as it ships, on the backend that is ready. Frees itself by `dispose`.
 *
 * @param size side of the pictures it takes, pixels: one of the bundle's. Default the largest.
 */
export const shippedPainter = async (size?: number) => {
  const { input, model } = parseBundleManifest(JSON.parse(await readFile(join(folder, 'effect.json'), 'utf8')))
  const side = size ?? input.width
  const { path } = model.smaller?.find(smaller => smaller.width === side) ?? model
  const graph = await loadGraphModel(tf.io.fromMemory(await readGraphModel(join(folder, path))))
  /** What it paints is laid over the picture, as a runtime does. */
  const paint = ({ width, height, data }: RgbImage): RgbImage => {
    const values = tf.tidy(() => {
      const picture = tf.tensor4d(new Float32Array(data), [1, height, width, 3])
      return (graph.execute(tf.div(picture, 255)) as tf.Tensor).dataSync()
    })
    const painted = new Uint8ClampedArray(data.length)
    for (let i = 0; i < data.length; i++) {
      const from = 4 * Math.floor(i / 3)
      painted[i] = data[i]! + values[from + 3]! * (255 * values[from + (i % 3)]! - data[i]!)
    }
    return { width, height, data: new Uint8Array(painted.buffer) }
  }
  return { size: side, paint, dispose: () => graph.dispose() }
}
