import * as tf from '@tensorflow/tfjs-core'
import type { Discriminator } from '../discriminator.js'
import type { Generator } from '../generator.js'

/**
 * How a penalty on gradients is differentiated. `'exact'`: by gradients of gradients (call `installSecondOrderGradients` of
 * `@fx/backend/training` first). `'finite-difference'`: by two first-order passes, at half the memory.
 *
 * Both give the same value, and the same gradient for a smooth network. Behind leaky ReLUs the difference also counts the
 * units that switch between its two points; the exact form, to which a kink has no curvature, leaves them out. Along the
 * exact gradient the two then agree, across it they need not.
 */
export type PenaltyForm = 'exact' | 'finite-difference'

/** The value of a penalty and its gradient by variable name; both belong to the caller. */
export interface Penalty {
  value: tf.Scalar
  grads: tf.NamedTensorMap
}

/**
 * The distance over which differences are taken, over the length of the point they start from. Each unit that switches
 * on the way adds its whole jump over this distance: over short distances few units make much noise.
 */
const DISTANCE = 0.1

/** A factor that brings `direction` to the length `distance * length(point)`, per batch. */
const stepAlong = (point: tf.Tensor, direction: tf.Tensor, distance: number): tf.Scalar =>
  tf.mul(
    distance,
    tf.div(tf.sqrt(tf.sum(tf.square(point))), tf.sqrt(tf.add(tf.sum(tf.square(direction)), 1e-20))),
  ) as tf.Scalar

/**
 * R1: `gamma / 2 * mean over images of |d logit / d image|^2` on real images, and its gradient with respect to the
 * discriminator's parameters.
 *
 * The finite-difference form rests on `d/dtheta |g|^2 = 2 d/dtheta (v . g)` for a fixed `v = g`, where `v . g` is the
 * slope of the logits along v: `(D(x + h v) - D(x - h v)) / 2h`.
 *
 * Source: Mescheder et al., "Which training methods for GANs do actually converge?", ICML 2018, section 4.1.
 *
 * @param discriminator anything with logits: the network, or the network behind an augmentation.
 * @param images real images `[N, R, R, C]`.
 */
export const r1Penalty = (
  discriminator: Pick<Discriminator, 'logits'>,
  variables: tf.Variable[],
  images: tf.Tensor4D,
  options: {
    gamma: number
    form: PenaltyForm
    labels?: tf.Tensor2D | undefined
    /** Of the finite difference, over the length of `images`. Default 0.1; smooth networks bear less. */
    distance?: number
  },
): Penalty =>
  tf.tidy(() => {
    const { gamma, form, labels, distance = DISTANCE } = options
    const count = images.shape[0]
    const logits = (x: tf.Tensor4D): tf.Scalar => tf.sum(discriminator.logits(x, labels))
    const slopeAt = tf.grad(x => logits(x as tf.Tensor4D))
    if (form === 'exact') {
      return tf.variableGrads(() => tf.mul<tf.Scalar>(tf.sum(tf.square(slopeAt(images))), gamma / 2 / count), variables)
    }
    const slope = slopeAt(images)
    const value = tf.mul<tf.Scalar>(tf.sum(tf.square(slope)), gamma / 2 / count)
    const h = stepAlong(images, slope, distance)
    const along = tf.mul<tf.Tensor4D>(slope, h)
    const { grads, value: difference } = tf.variableGrads(
      () =>
        tf.mul<tf.Scalar>(
          tf.sub(logits(tf.add(images, along)), logits(tf.sub(images, along))),
          tf.div(gamma / 2 / count, h),
        ),
      variables,
    )
    difference.dispose()
    return { value, grads }
  })

/**
 * Path length: `weight * mean over images of (|J^T y| - mean length)^2`, where `J` is the Jacobian of the synthesis at W+
 * and `y` noise over the image's pixels; and its gradient with respect to the generator's parameters. `|.|` is the root of
 * the mean over rows of W+ of the squared length.
 *
 * Source: Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020, section 3.2.
 *
 * @param options.meanLength moving average of the lengths, `[]`.
 * @returns also the new moving average; the penalty is measured against it, as in the official code.
 */
export const pathLengthPenalty = (
  generator: Pick<Generator, 'synthesis'>,
  variables: tf.Variable[],
  wPlus: () => tf.Tensor3D,
  options: {
    weight: number
    form: PenaltyForm
    /** Normal noise `[N, R, R, C]`. */
    noise: tf.Tensor4D
    meanLength: tf.Scalar
    decay?: number
    /** Of the finite difference, over the length of W+. Default 0.1. */
    distance?: number
    synthesisNoise?: Parameters<Generator['synthesis']>[1]
  },
): Penalty & { meanLength: tf.Scalar } => {
  const { weight, form, noise, meanLength, decay = 0.01, distance = DISTANCE, synthesisNoise = {} } = options
  let mean!: tf.Scalar
  const penalty = tf.tidy(() => {
    const direction = tf.div<tf.Tensor4D>(noise, Math.sqrt(noise.shape[1] * noise.shape[2]))
    const along = (w: tf.Tensor3D): tf.Scalar => tf.sum(tf.mul(generator.synthesis(w, synthesisNoise), direction))
    const slopeAt = tf.grad(w => along(w as tf.Tensor3D))
    const lengthsOf = (slope: tf.Tensor): tf.Tensor1D => tf.sqrt(tf.mean<tf.Tensor1D>(tf.sum(tf.square(slope), 2), 1))
    const newMean = (lengths: tf.Tensor1D): tf.Scalar =>
      tf.add<tf.Scalar>(tf.mul(meanLength, 1 - decay), tf.mul(tf.mean(lengths), decay))
    if (form === 'exact') {
      return tf.variableGrads(() => {
        const lengths = lengthsOf(slopeAt(wPlus()))
        mean = tf.keep(newMean(lengths))
        return tf.mul<tf.Scalar>(tf.mean(tf.square(tf.sub(lengths, mean))), weight)
      }, variables)
    }
    const w = wPlus()
    const [count, rows] = w.shape
    const slope = slopeAt(w) as tf.Tensor3D
    const lengths = lengthsOf(slope)
    mean = tf.keep(newMean(lengths))
    const excess = tf.sub<tf.Tensor1D>(lengths, mean)
    // d penalty / d slope, with the moving average's share of the lengths.
    const share = tf.sub<tf.Tensor1D>(excess, tf.mul(tf.mean(excess), decay))
    const perImage = tf.mul<tf.Tensor1D>(tf.div(share, tf.maximum(lengths, 1e-12)), (2 * weight) / count / rows)
    const u = tf.mul<tf.Tensor3D>(slope, tf.reshape(perImage, [count, 1, 1]))
    const h = stepAlong(w, u, distance)
    const offset = tf.mul<tf.Tensor3D>(u, h)
    const { grads, value } = tf.variableGrads(() => {
      const at = wPlus()
      return tf.div<tf.Scalar>(tf.sub(along(tf.add(at, offset)), along(tf.sub(at, offset))), tf.mul(h, 2))
    }, variables)
    value.dispose()
    return { value: tf.mul<tf.Scalar>(tf.mean(tf.square(excess)), weight), grads }
  })
  return { ...penalty, meanLength: mean }
}
