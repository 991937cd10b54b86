import type { EffectBundleManifest } from '@fx/core'
import type * as tf from '@tensorflow/tfjs-core'

/** A model of a bundle: what it computes with. */
export interface StudentShape {
  width: number
  height: number
  input: readonly [number, number]
  output: readonly [number, number]
  channels: 3 | 4
}

export const shapeOf = (
  { input, output }: EffectBundleManifest,
  { width, height }: { width: number; height: number } = input,
): StudentShape => ({ width, height, input: input.range, output: output.range, channels: output.channels ?? 3 })

/** How pictures get into a tfjs backend and out of it. */
export interface Surface {
  /** Where the next picture is drawn. */
  readonly input: OffscreenCanvasRenderingContext2D
  /** Where results appear. */
  readonly output: OffscreenCanvas
  /** What `input` shows, `[1, height, width, 3]` in the input's range. For `tf.tidy`, which frees it where it must be freed. */
  read(): tf.Tensor
  /** Shows `[1, height, width, channels]` on `output`. */
  write(values: tf.Tensor): void
  /** Settles when the device has done what it was given so far. */
  done(): Promise<void>
  /** Why the device is no more, if so. */
  lost(): string | undefined
  dispose(): void
}
