// Loading tfjs-layers registers tfjs's gradients.
import '@tensorflow/tfjs-layers'
import { readFileSync } from 'node:fs'
import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'

/** Reads a small safetensors file: u8 and f32 tensors by name. */
export const readFixture = (name: string): Record<string, { shape: number[]; data: Float32Array }> => {
  const bytes = readFileSync(new URL(`../fixtures/${name}`, import.meta.url))
  const headerLength = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.subarray(8, 8 + headerLength).toString()) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  return Object.fromEntries(
    Object.entries(header).map(
      ([
        key,
        {
          dtype,
          shape,
          data_offsets: [start, end],
        },
      ]) => {
        const raw = Uint8Array.from(bytes.subarray(8 + headerLength + start, 8 + headerLength + end))
        return [key, { shape, data: dtype === 'U8' ? Float32Array.from(raw) : new Float32Array(raw.buffer) }]
      },
    ),
  )
}

/** A torch `[N, C, H, W]` fixture as NHWC, scaled. */
export const nhwc = ({ shape, data }: { shape: number[]; data: Float32Array }, scale = 1): tf.Tensor4D =>
  tf.tidy(() =>
    tf.mul<tf.Tensor4D>(
      tf.transpose(tf.tensor4d(data, shape as [number, number, number, number]), [0, 2, 3, 1]),
      scale,
    ),
  )

/** A reproducible image batch with values in [low, high). */
export const randomImages = (
  shape: [number, number, number, number],
  seed: number | string,
  low = 0.05,
  high = 0.95,
): tf.Tensor4D => {
  const random = seededRandom('images', seed)
  return tf.tensor4d(
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => low + (high - low) * random.uniform()),
    shape,
  )
}
