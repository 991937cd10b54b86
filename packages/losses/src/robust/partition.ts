import * as tf from '@tensorflow/tfjs-core'

/** rho(x, alpha, 1) and its derivative over alpha, for alpha in [0, 2], in float64; the formulas of `robustPenalty`. */
const penalty = (x: number, alpha: number): { rho: number; slope: number } => {
  const square = x * x
  if (alpha === 2) return { rho: square / 2, slope: 0 }
  const distance = 2 - alpha
  const log = Math.log1p(square / distance)
  const z = (alpha / 2) * log
  const power = Math.exp(z)
  const small = Math.abs(z) < 1e-3
  const ratio = small ? 1 + z / 2 + (z * z) / 6 : Math.expm1(z) / z
  const ratioSlope = small ? 1 / 2 + z / 3 + (z * z) / 8 : (power - ratio) / z
  return {
    rho: (distance / 2) * log * ratio,
    slope: (log * log * ratioSlope) / 2 + (power / 2) * (square / (square + distance) - log),
  }
}

/**
 * log Z, Z = integral of exp(-rho(x, alpha, 1)) over x, and its derivative over alpha, by the trapezoid rule after
 * x = sinh(pi/2 sinh t), which meets the heavy tails at alpha 0 (Takahasi, Mori, "Double exponential formulas", 1974).
 */
const integrate = (alpha: number): { log: number; slope: number } => {
  const step = 1 / 64
  let [sum, slopes] = [0, 0]
  for (let i = 0; i <= 4 / step; i++) {
    const t = i * step
    const u = (Math.PI / 2) * Math.sinh(t)
    const { rho, slope } = penalty(Math.sinh(u), alpha)
    // Half of an even function: the middle counts once, the rest twice.
    const mass = (i === 0 ? 1 : 2) * step * Math.exp(-rho) * (Math.PI / 2) * Math.cosh(t) * Math.cosh(u)
    sum += mass
    if (mass > 0) slopes += mass * slope
  }
  return { log: Math.log(sum), slope: -slopes / sum }
}

/** Intervals of the table, over t = sqrt(2 - alpha): it has a cusp at alpha 2, which the root stretches. */
const INTERVALS = 512
const WIDTH = Math.SQRT2 / INTERVALS

let table: Float32Array | undefined

/** The four coefficients, by rising power of the position within an interval, of the cubic Hermite spline. */
const cubics = (): Float32Array => {
  if (table) return table
  const knots = Array.from({ length: INTERVALS + 1 }, (_, i) => {
    const t = i * WIDTH
    const { log, slope } = integrate(Math.max(0, 2 - t * t))
    return { value: log, slope: slope * -2 * t * WIDTH }
  })
  table = new Float32Array(INTERVALS * 4)
  for (let i = 0; i < INTERVALS; i++) {
    const [from, to] = [knots[i]!, knots[i + 1]!]
    const rise = to.value - from.value
    table.set([from.value, from.slope, 3 * rise - 2 * from.slope - to.slope, from.slope + to.slope - 2 * rise], i * 4)
  }
  return table
}

/** Where an alpha lies in the table: the coefficients of its interval, its position within, and t. */
const lookUp = (
  alpha: tf.Tensor,
): { cubic: [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]; at: tf.Tensor; t: tf.Tensor } => {
  const t = tf.sqrt(tf.clipByValue(tf.sub(2, alpha), 0, 2))
  const position = tf.div(t, WIDTH)
  const interval = tf.clipByValue(tf.floor(position), 0, INTERVALS - 1)
  const rows = tf.gather(tf.tensor2d(cubics(), [INTERVALS, 4]), tf.cast(tf.reshape(interval, [-1]), 'int32'))
  const cubic = tf.split(rows, 4, 1).map(part => tf.reshape(part, alpha.shape))
  return { cubic: cubic as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], at: tf.sub(position, interval), t }
}

const interpolated = tf.customGrad((input, save) => {
  const alphas = input as tf.Tensor
  ;(save as tf.GradSaveFunc)([alphas])
  const { cubic, at } = lookUp(alphas)
  const [a, b, c, d] = cubic
  return {
    value: tf.add(a, tf.mul(at, tf.add(b, tf.mul(at, tf.add(c, tf.mul(at, d)))))),
    gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const { cubic, at, t } = lookUp(saved[0]!)
      const [, b, c, d] = cubic
      const overPosition = tf.add(b, tf.mul(at, tf.add(tf.mul(c, 2), tf.mul(at, tf.mul(d, 3)))))
      // d alpha / d t = -2 t. At alpha 2 the true slope is -infinity; here it stays finite.
      return tf.mul(dy, tf.div(overPosition, tf.mul(tf.maximum(t, 1e-3), -2 * WIDTH)))
    },
  }
})

/**
 * The logarithm of the partition function of the density `exp(-rho(x, alpha, 1)) / Z(alpha)`, elementwise for alpha in
 * [0, 2], outside which alpha is clipped. Differentiable; within 1e-5 of the integral. The first call makes a table. The
 * caller owns the tensor.
 *
 * Source: Barron, "A general and adaptive robust loss function", CVPR 2019, equation 17.
 */
export const logPartition = (alpha: tf.Tensor): tf.Tensor => tf.tidy(() => interpolated(alpha))
