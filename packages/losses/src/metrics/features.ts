import { FxError } from '@fx/core'
import type * as tf from '@tensorflow/tfjs-core'
import { dot } from './matrix.js'

/** Turns each image into a vector that a metric compares: an Inception trunk, a face network, thumbnails. */
export interface Embedder {
  /** Says in tables what the figure rests on. */
  readonly name: string
  /** One vector an image, `[N, F]`, of images `[N, H, W, C]` in [0, 1]; the caller frees it. Resizing is the embedder's. */
  embed(images: tf.Tensor4D): tf.Tensor | Promise<tf.Tensor>
}

/** Reads features for a metric, and holds the embedder to one length of vectors. */
export const featureReader = (metric: string, embedder: Embedder) => {
  let length: number | undefined
  return async (images: tf.Tensor4D): Promise<Float32Array[]> => {
    const features = await embedder.embed(images)
    try {
      const [rows, columns] = features.shape
      if (features.rank !== 2 || rows !== images.shape[0] || !columns || columns !== (length ?? columns)) {
        throw new FxError(
          'shape-mismatch',
          `${metric}: the embedder '${embedder.name}' must give [${images.shape[0]}, ${length ?? 'F'}], ` +
            `got [${features.shape.join(', ')}]`,
          { details: { expected: [images.shape[0], length], actual: features.shape } },
        )
      }
      length = columns
      const values = (await features.data()) as Float32Array
      return Array.from({ length: rows }, (_, row) => values.slice(row * columns, (row + 1) * columns))
    } finally {
      features.dispose()
    }
  }
}

/** The cosine of the angle between two vectors; 0 when one of them is zero. */
export const cosine = (a: Float32Array | Float64Array, b: Float32Array | Float64Array): number => {
  const norms = Math.sqrt(dot(a, a) * dot(b, b))
  return norms > 0 ? Math.max(-1, Math.min(1, dot(a, b) / norms)) : 0
}

/** Rows of the features of output and target, one behind the other. */
export const featurePairs = (metric: string, embedder: Embedder) => {
  const read = featureReader(metric, embedder)
  return async ({ output, target }: { output: tf.Tensor4D; target?: tf.Tensor4D }): Promise<Float64Array[]> => {
    const ours = await read(output)
    const theirs = await read(target!)
    return ours.map((features, image) => Float64Array.from([...features, ...theirs[image]!]))
  }
}
