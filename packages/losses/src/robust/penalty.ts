import * as tf from '@tensorflow/tfjs-core'

/** Below this distance from 2, alpha counts as this far from it: the formula has a pole that the loss has not. */
const SMALLEST_DISTANCE = 1e-6
/** Errors over the scale end here, so that their squares do not overflow. */
const LARGEST_RATIO = 1e15

/** Coefficients by rising power, at z. */
const polynomial = (z: tf.Tensor, coefficients: readonly number[]): tf.Tensor =>
  coefficients.reduceRight<tf.Tensor>((sum, c) => tf.add(tf.mul(sum, z), c), tf.zerosLike(z))

/** log(y + 1) for y >= 0 with the digits near 0 that log1p of wasm and WebGL loses; below 1e-7 it may be 0 (Kahan). */
const log1p = (y: tf.Tensor): tf.Tensor => {
  const sum = tf.add(y, 1)
  // What rounding made of y + 1 is divided out again.
  return tf.mul(tf.div(tf.log(sum), tf.maximum(tf.sub(sum, 1), 1e-30)), y)
}

/** exp(z), and (exp(z) - 1) / z with its derivative, by their series near 0. */
const exponentialRatio = (z: tf.Tensor): { power: tf.Tensor; ratio: tf.Tensor; ratioSlope: () => tf.Tensor } => {
  const power = tf.exp(z)
  const small = tf.less(tf.abs(z), 0.1)
  const divisor = tf.where(small, tf.onesLike(z), z)
  const ratio = tf.where(small, polynomial(z, [1, 1 / 2, 1 / 6, 1 / 24, 1 / 120]), tf.div(tf.sub(power, 1), divisor))
  const ratioSlope = (): tf.Tensor =>
    tf.where(
      small,
      polynomial(z, [1 / 2, 1 / 3, 1 / 8, 1 / 30, 1 / 144, 1 / 840]),
      tf.div(tf.sub(power, ratio), divisor),
    )
  return { power, ratio, ratioSlope }
}

interface Logarithm {
  /** (x / c)^2. */
  square: tf.Tensor
  /** |alpha - 2|. */
  distance: tf.Tensor
  /** log q, q = (x / c)^2 / |alpha - 2| + 1. */
  log: tf.Tensor
}

const logarithm = (x: tf.Tensor, alpha: tf.Tensor, scale: tf.Tensor): Logarithm => {
  const square = tf.square(tf.minimum(tf.abs(tf.div(x, scale)), LARGEST_RATIO))
  const distance = tf.maximum(tf.abs(tf.sub(alpha, 2)), SMALLEST_DISTANCE)
  return { square, distance, log: log1p(tf.div(square, distance)) }
}

/**
 * With z = alpha / 2 log q, rho = |alpha - 2| / 2 log q (exp(z) - 1) / z: the form without the pole at alpha 0, and
 * without the digits that (q^(alpha/2) - 1) / alpha loses near it and at small errors.
 */
const penaltyValue = (x: tf.Tensor, alpha: tf.Tensor, scale: tf.Tensor): tf.Tensor => {
  const { distance, log } = logarithm(x, alpha, scale)
  const { ratio } = exponentialRatio(tf.mul(log, tf.div(alpha, 2)))
  return tf.mul(tf.mul(log, tf.div(distance, 2)), ratio)
}

/** The gradient over x before the incoming one: (x / c^2) q^(alpha/2 - 1), with log q at hand. */
const slopeOverX = (x: tf.Tensor, alpha: tf.Tensor, scale: tf.Tensor, log: tf.Tensor): tf.Tensor => {
  const clipped = tf.clipByValue(tf.div(x, scale), -LARGEST_RATIO, LARGEST_RATIO)
  return tf.div(tf.mul(clipped, tf.exp(tf.mul(tf.sub(tf.div(alpha, 2), 1), log))), scale)
}

/** Sums out what broadcasting repeated. */
const sumTo = (tensor: tf.Tensor, shape: readonly number[]): tf.Tensor => {
  const offset = tensor.rank - shape.length
  const axes = tensor.shape.flatMap((side, axis) =>
    axis < offset || (shape[axis - offset] === 1 && side > 1) ? [axis] : [],
  )
  return tf.reshape(axes.length > 0 ? tf.sum(tensor, axes) : tensor, [...shape])
}

const differentiable = tf.customGrad((...inputs) => {
  const [errors, alphas, scales, save] = inputs as unknown as [tf.Tensor, tf.Tensor, tf.Tensor, tf.GradSaveFunc]
  save([errors, alphas, scales])
  return {
    value: penaltyValue(errors, alphas, scales),
    gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [x, alpha, scale] = saved as [tf.Tensor, tf.Tensor, tf.Tensor]
      const { square, distance, log } = logarithm(x, alpha, scale)
      const { power, ratioSlope } = exponentialRatio(tf.mul(log, tf.div(alpha, 2)))
      const overX = slopeOverX(x, alpha, scale, log)
      const overScale = tf.neg(tf.mul(overX, tf.div(x, scale)))
      // -sign(alpha - 2) (log^2 / 2 ratio' - log power / 2 + power (q - 1) / (2 q)), where q - 1 = square / distance.
      const bracket = tf.add(
        tf.mul(tf.div(tf.square(log), 2), ratioSlope()),
        tf.mul(tf.div(power, 2), tf.sub(tf.div(square, tf.add(square, distance)), log)),
      )
      const overAlpha = tf.mul(tf.sign(tf.sub(2, alpha)), bracket)
      return [
        sumTo(tf.mul(dy, overX), x.shape),
        sumTo(tf.mul(dy, overAlpha), alpha.shape),
        sumTo(tf.mul(dy, overScale), scale.shape),
      ]
    },
  }
}) as (x: tf.Tensor, alpha: tf.Tensor, scale: tf.Tensor) => tf.Tensor

/** The penalty with fixed alpha and scale: only the gradient over x is worked out. */
const fixed = (errors: tf.Tensor, alpha: number, scale: number): tf.Tensor => {
  // The limits at infinity: 1 - exp(-s / 2) and exp(s / 2) - 1, s = (x / c)^2, where exp ends at float32's largest.
  const limit = (x: tf.Tensor): tf.Tensor => {
    const half = tf.div(tf.square(tf.minimum(tf.abs(tf.div(x, scale)), LARGEST_RATIO)), 2)
    return tf.mul(tf.minimum(half, 87.5), Math.sign(alpha))
  }
  const value = (x: tf.Tensor): tf.Tensor => {
    if (Number.isFinite(alpha)) return penaltyValue(x, tf.scalar(alpha), tf.scalar(scale))
    const z = limit(x)
    return tf.mul(tf.abs(z), exponentialRatio(z).ratio)
  }
  const slope = (x: tf.Tensor): tf.Tensor => {
    if (!Number.isFinite(alpha)) return tf.mul(tf.div(x, scale * scale), tf.exp(limit(x)))
    const [a, c] = [tf.scalar(alpha), tf.scalar(scale)]
    return slopeOverX(x, a, c, logarithm(x, a, c).log)
  }
  const penalty = tf.customGrad((input, save) => {
    ;(save as tf.GradSaveFunc)([input as tf.Tensor])
    return {
      value: value(input as tf.Tensor),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.mul(dy, slope(saved[0]!)),
    }
  })
  return penalty(errors)
}

/**
 * Barron's general robust penalty of each error, elementwise: `|a - 2| / a (((x/c)^2 / |a - 2| + 1)^(a/2) - 1)`. Alpha
 * (a) says how much outliers count: 2 is the squared error, 1 Charbonnier, 0 Cauchy, -2 Geman-McClure, -Infinity Welsch.
 * The scale (c) is the error where it turns from quadratic to robust. Tensors of alpha and scale broadcast against `x`,
 * must be finite, and have gradients too; the one over alpha is 0 at alpha 2, where it does not exist. An infinite alpha
 * needs a scale that is a number. The caller owns the tensor.
 *
 * Source: Barron, "A general and adaptive robust loss function", CVPR 2019, equation 8.
 */
export const robustPenalty = (x: tf.Tensor, alpha: tf.Tensor | number, scale: tf.Tensor | number): tf.Tensor =>
  tf.tidy(() => {
    if (typeof alpha === 'number' && typeof scale === 'number') return fixed(x, alpha, scale)
    return differentiable(x, tf.add(alpha, 0), tf.add(scale, 0))
  })
