import * as tf from '@tensorflow/tfjs-core'

/** BT.601 luma and scaled colour differences, rows R, G, B; scaled to a determinant of 1. */
const yuvMatrix = (): number[][] => {
  const [r, g, b] = [0.299, 0.587, 0.114] as const
  const [u, v] = [0.492111, 0.877283] as const
  const rows = [
    [r, -u * r, v * (1 - r)],
    [g, -u * g, -v * g],
    [b, u * (1 - b), -v * b],
  ]
  // The determinant is g u v: the colour differences are multiples of B - Y and R - Y.
  const size = (g * u * v) ** (1 / 3)
  return rows.map(row => row.map(value => value / size))
}

/**
 * RGB to YUV of the same volume, `[N, H, W, 3]`, so that likelihoods in both can be compared.
 *
 * Source: Barron, "A general and adaptive robust loss function", CVPR 2019, appendix on the VAE experiments.
 */
export const rgbToYuv = (image: tf.Tensor4D): tf.Tensor4D =>
  tf.reshape(tf.matMul(tf.reshape(image, [-1, 3]), tf.tensor2d(yuvMatrix())), image.shape)

/** Half of each symmetric filter, from the middle out: Cohen, Daubechies, Feauveau, 1992, as JPEG 2000 uses them. */
const LOW_PASS = [0.852698679009, 0.377402855613, -0.110624404418, -0.02384946502, 0.037828455507]
const HIGH_PASS = [0.788485616406, -0.418092273222, -0.040689417609, 0.064538882629]

/** Makes the matrix `[side, side]` of one level along one axis: low-pass rows, then high-pass rows. */
type LevelMatrix = (side: number) => tf.Tensor2D

/** Mirrors an index into [0, side) without repeating the border. */
const mirrored = (index: number, side: number): number => {
  if (side === 1) return 0
  const period = 2 * (side - 1)
  const within = ((index % period) + period) % period
  return Math.min(within, period - within)
}

/** CDF 9/7: low-pass at even positions, high-pass at odd ones. */
const analysis: LevelMatrix = side => {
  const matrix = new Float32Array(side * side)
  const low = Math.ceil(side / 2)
  for (let row = 0; row < side; row++) {
    const [filter, centre] = row < low ? [LOW_PASS, 2 * row] : [HIGH_PASS, 2 * (row - low) + 1]
    for (let i = 1 - filter.length; i < filter.length; i++) {
      matrix[row * side + mirrored(centre + i, side)]! += filter[Math.abs(i)]!
    }
  }
  return tf.tensor2d(matrix, [side, side])
}

/** The mean of the two pixels that each coefficient of `analysis` stands for. */
const halves: LevelMatrix = side => {
  const matrix = new Float32Array(side * side)
  const low = Math.ceil(side / 2)
  for (let row = 0; row < side; row++) {
    const first = 2 * (row < low ? row : row - low)
    matrix[row * side + first]! += 0.5
    matrix[row * side + Math.min(first + 1, side - 1)]! += 0.5
  }
  return tf.tensor2d(matrix, [side, side])
}

const pyramid = (image: tf.Tensor4D, levels: number, matrix: LevelMatrix): tf.Tensor4D => {
  if (levels === 0) return image
  const [n, height, width, channels] = image.shape
  // Rows, then columns, each as one plain matrix product.
  const rows = tf.matMul(tf.reshape(tf.transpose(image, [0, 3, 1, 2]), [-1, width]), matrix(width), false, true)
  const turned = tf.transpose(tf.reshape(rows, [n, channels, height, width]), [0, 1, 3, 2])
  const both = tf.matMul(tf.reshape(turned, [-1, height]), matrix(height), false, true)
  const level = tf.transpose(tf.reshape(both, [n, channels, width, height]), [0, 3, 2, 1]) as tf.Tensor4D
  const low = [Math.ceil(height / 2), Math.ceil(width / 2)] as const
  const part = (y: number, x: number, h: number, w: number) => tf.slice(level, [0, y, x, 0], [n, h, w, channels])
  const coarse = pyramid(part(0, 0, low[0], low[1]), levels - 1, matrix)
  const top = width > 1 ? tf.concat([coarse, part(0, low[1], low[0], width - low[1])], 2) : coarse
  return height > 1 ? tf.concat([top, part(low[0], 0, height - low[0], width)], 1) : top
}

/**
 * Wavelet coefficients of `[N, H, W, C]` in the same shape: at each level the coarse quarter lies top left, and is
 * transformed again. Any size; borders are mirrored.
 */
export const wavelet = (image: tf.Tensor4D, levels: number): tf.Tensor4D => pyramid(image, levels, analysis)

/** How much each wavelet coefficient counts, from how much each pixel does. */
export const waveletWeights = (weights: tf.Tensor4D, levels: number): tf.Tensor4D => pyramid(weights, levels, halves)

/** Which of the `3 levels + 1` bands each coefficient belongs to, `[H * W]`: 0 the coarsest, then from coarse to fine. */
export const waveletBands = (height: number, width: number, levels: number): Int32Array => {
  const bands = new Int32Array(height * width)
  let [h, w] = [height, width]
  for (let level = levels; level > 0; level--) {
    const [lowH, lowW] = [Math.ceil(h / 2), Math.ceil(w / 2)]
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const detail = (y >= lowH ? 2 : 0) + (x >= lowW ? 1 : 0)
        if (detail > 0) bands[y * width + x] = 3 * (levels - level) + detail
      }
    }
    ;[h, w] = [lowH, lowW]
  }
  return bands
}
