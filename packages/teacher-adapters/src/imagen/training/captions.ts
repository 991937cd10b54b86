import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { TrainingImage } from '../../training/image-source.js'
import type { TextEncoder } from '../text/text-encoder.js'

export type { TextEncoder }

/** Embeds captions and remembers them. */
export interface CaptionEmbedder {
  /**
   * `[N, L, width]`; the caller owns it.
   *
   * @throws FxError `shape-mismatch` when the encoder gives another width or changes its length.
   */
  embed(captions: readonly string[]): Promise<tf.Tensor3D>
}

/** Bytes of embeddings that are kept. */
const KEPT = 256 * 2 ** 20

/** @param width the network's `encoderHidDim`. */
export const captionEmbedder = (encoder: TextEncoder, width: number): CaptionEmbedder => {
  // In the order of their last use.
  const known = new Map<string, Float32Array>()
  let size: number | undefined

  const encode = async (captions: readonly string[]): Promise<Float32Array[]> => {
    if (captions.length === 0) return []
    const embedded = await encoder.encode(captions)
    try {
      const [rows, tokens, each] = embedded.shape
      size ??= tokens * each
      if (rows !== captions.length || each !== width || tokens * each !== size) {
        throw new FxError(
          'shape-mismatch',
          `The text encoder '${encoder.id}' gave [${embedded.shape.join(', ')}]; [${captions.length}, ${size / each}, ${width}] is needed (unet.encoderHidDim is ${width})`,
          { details: { given: embedded.shape } },
        )
      }
      const values = (await embedded.data()) as Float32Array
      return captions.map((_, row) => values.slice(row * size!, (row + 1) * size!))
    } finally {
      embedded.dispose()
    }
  }

  return {
    async embed(captions) {
      const wanted = [...new Set(captions)]
      const missing = wanted.filter(caption => !known.has(caption))
      const fresh = await encode(missing)
      const found = new Map(wanted.map(caption => [caption, known.get(caption) ?? fresh[missing.indexOf(caption)]!]))
      for (const [caption, values] of found) {
        known.delete(caption)
        known.set(caption, values)
      }
      const most = Math.max(1, Math.floor(KEPT / (4 * size!)))
      for (const caption of known.keys()) {
        if (known.size <= most) break
        known.delete(caption)
      }
      const values = new Float32Array(captions.length * size!)
      captions.forEach((caption, row) => {
        values.set(found.get(caption)!, row * size!)
      })
      return tf.tensor3d(values, [captions.length, size! / width, width])
    },
  }
}

/** @throws FxError `invalid-argument` for an image without a caption. */
export const captionsOf = (images: readonly TrainingImage[]): string[] =>
  images.map(({ caption }) => {
    if (caption !== undefined) return caption
    throw new FxError('invalid-argument', 'A training image has no caption; every image of this training needs one')
  })
