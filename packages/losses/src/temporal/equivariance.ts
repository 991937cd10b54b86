import { FxError, numberIn, seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { checkImages } from '../loss.js'
import { absolute, weightedMean } from '../ops.js'
import { warp } from './warp.js'

/** A known change of images, and what it must do to a student's outputs. */
export interface Perturbation {
  /** The changed input, `[N, H, W, C]` in and out. */
  input(images: tf.Tensor4D): tf.Tensor4D
  /** What the output must become, likewise, differentiable. */
  output(images: tf.Tensor4D): tf.Tensor4D
  /** The pixels whose content the change did not bring in from outside, `[N, H, W, 1]`, 1 or 0. Default all. */
  valid?(images: tf.Tensor4D): tf.Tensor4D
}

export interface MotionOptions {
  /** How far the picture moves to the right and down, pixels. Default 0. */
  dx?: number
  dy?: number
  /** How far it turns clockwise around its middle, degrees. Default 0. */
  rotation?: number
  /** How much it grows around its middle, above 0. Default 1. */
  zoom?: number
}

/**
 * Moves, turns and zooms pictures, bilinear: what a hand-held camera does from frame to frame.
 *
 * @throws FxError `invalid-argument` for numbers that are not finite, or a zoom outside 0.01 to 100.
 */
export const motion = ({ dx = 0, dy = 0, rotation = 0, zoom = 1 }: MotionOptions = {}): Perturbation => {
  numberIn('motion: dx', dx, -1e6, 1e6)
  numberIn('motion: dy', dy, -1e6, 1e6)
  numberIn('motion: rotation', rotation, -360, 360)
  numberIn('motion: zoom', zoom, 0.01, 100)
  const [cos, sin] = [Math.cos((rotation * Math.PI) / 180) / zoom, Math.sin((rotation * Math.PI) / 180) / zoom]
  /** From each pixel to where it came from. */
  const flow = ([n, height, width]: number[]): tf.Tensor4D => {
    const values = new Float32Array(height! * width! * 2)
    const [middleX, middleY] = [(width! - 1) / 2, (height! - 1) / 2]
    for (let y = 0; y < height!; y++) {
      for (let x = 0; x < width!; x++) {
        const [right, down] = [x - middleX - dx, y - middleY - dy]
        values[(y * width! + x) * 2] = cos * right + sin * down + middleX - x
        values[(y * width! + x) * 2 + 1] = -sin * right + cos * down + middleY - y
      }
    }
    return tf.tile(tf.tensor4d(values, [1, height!, width!, 2]), [n!, 1, 1, 1])
  }
  const moved = (images: tf.Tensor4D): tf.Tensor4D => tf.tidy(() => warp(images, flow(images.shape)))
  return {
    input: moved,
    output: moved,
    valid: images =>
      tf.tidy(() => {
        const [n, height, width] = images.shape
        return tf.cast(tf.greater(moved(tf.ones([n, height, width, 1])), 0.999), 'float32') as tf.Tensor4D
      }),
  }
}

/**
 * Adds Gaussian noise to inputs, always the same for a seed: the outputs should stay as they are.
 *
 * @throws FxError `invalid-argument` for a deviation outside 0 to 1, in image units.
 */
export const sensorNoise = ({ deviation, seed }: { deviation: number; seed: number | string }): Perturbation => {
  numberIn('sensorNoise: deviation', deviation, 0, 1)
  return {
    input: images =>
      tf.tidy(() => {
        const random = seededRandom('sensor-noise', seed)
        const noise = Float32Array.from({ length: images.size }, () => deviation * random.normal())
        return tf.add(images, tf.tensor4d(noise, images.shape))
      }),
    output: images => tf.clone(images),
  }
}

/**
 * Flow-free temporal loss: a student must do the same to a moved or noisy picture, `mean |S(T x) - T S(x)|` over the pixels
 * whose content is known. Needs single pictures, no video. Both passes through the student get gradients. The caller owns
 * the scalar.
 *
 * Source: Eilertsen, Mantiuk, Unger, "Single-frame regularization for temporally stable CNNs", CVPR 2019, with
 * L1.
 *
 * @param student from images to images of the same height and width, differentiable.
 * @param images `[N, H, W, C]`.
 * @param weights how much each pixel of the perturbed output counts, `[N, H, W, 1]`.
 * @throws FxError `shape-mismatch` when the student's outputs or the weights do not fit the images.
 */
export const equivariance = (
  student: (images: tf.Tensor4D) => tf.Tensor4D,
  images: tf.Tensor4D,
  perturbation: Perturbation,
  { weights }: { weights?: tf.Tensor4D } = {},
): tf.Scalar =>
  tf.tidy(() => {
    const changed = student(perturbation.input(images))
    const expected = perturbation.output(student(images))
    checkImages('equivariance', changed, expected, weights)
    if (changed.shape[1] !== images.shape[1] || changed.shape[2] !== images.shape[2]) {
      throw new FxError(
        'shape-mismatch',
        `equivariance: the student must keep the size, got [${changed.shape.join(', ')}] from [${images.shape.join(', ')}]`,
      )
    }
    const valid = perturbation.valid?.(images)
    const counts = valid && weights ? tf.mul<tf.Tensor4D>(valid, weights) : (valid ?? weights)
    return weightedMean(absolute(tf.sub(changed, expected)), counts)
  })
