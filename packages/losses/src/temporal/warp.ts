import { FxError, oneOf } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'

export interface WarpOptions {
  /** What lies outside the image: black, or the nearest pixel of its border. Default `'zeros'`. */
  padding?: 'zeros' | 'border'
}

interface Corner {
  /** Where each pixel lies among the rows of `[N * H * W, C]`, `[N * H * W]`, int32. */
  index: tf.Tensor1D
  /** How much it counts, `[N * H * W, 1]`. */
  share: tf.Tensor2D
}

/** The four pixels around every position that a flow points to. */
const corners = (flow: tf.Tensor4D, padding: 'zeros' | 'border'): Corner[] => {
  const [n, height, width] = flow.shape
  const limited = (axis: 1 | 2): tf.Tensor => {
    const side = flow.shape[axis]
    const grid = tf.reshape(tf.range(0, side), axis === 1 ? [1, side, 1, 1] : [1, 1, side, 1])
    const position = tf.add(tf.slice(flow, [0, 0, 0, axis === 1 ? 1 : 0], [n, height, width, 1]), grid)
    // Two pixels outside everything is black already; without an end, huge flows would leave the integers.
    return padding === 'border' ? tf.clipByValue(position, 0, side - 1) : tf.clipByValue(position, -2, side + 1)
  }
  const [y, x] = [limited(1), limited(2)]
  const [top, left] = [tf.floor(y), tf.floor(x)]
  const [down, right] = [tf.sub(y, top), tf.sub(x, left)]
  const firsts = tf.mul(tf.reshape(tf.range(0, n, 1, 'int32'), [n, 1, 1, 1]), tf.scalar(height * width, 'int32'))
  // Clipped as integers, so that even a NaN in the flow reads within the image.
  const inside = (at: tf.Tensor, side: number): tf.Tensor =>
    tf.minimum(tf.maximum(tf.cast(at, 'int32'), tf.scalar(0, 'int32')), tf.scalar(side - 1, 'int32'))
  return [0, 1].flatMap(dy =>
    [0, 1].map(dx => {
      const [row, column] = [tf.add(top, dy), tf.add(left, dx)]
      const [near, far] = [inside(row, height), inside(column, width)]
      const exists = tf.cast(
        tf.logicalAnd(tf.equal(tf.cast(near, 'float32'), row), tf.equal(tf.cast(far, 'float32'), column)),
        'float32',
      )
      const share = tf.mul(dy ? down : tf.sub(1, down), dx ? right : tf.sub(1, right))
      const index = tf.add(firsts, tf.add(tf.mul(near, tf.scalar(width, 'int32')), far))
      return { index: tf.reshape(index, [-1]), share: tf.reshape(tf.mul(share, exists), [-1, 1]) }
    }),
  )
}

/**
 * Backward warp: each pixel p of the result is the image at `p + flow(p)`, bilinear. `flow` is `[N, H, W, 2]`, x then y,
 * in pixels. The gradient flows to the image, not to the flow, which is taken as measured. The caller owns the tensor.
 *
 * Source: Jaderberg et al., "Spatial transformer networks", NeurIPS 2015, equation 5, in pixel coordinates.
 *
 * @throws FxError `shape-mismatch` unless `flow` has the image's size and two channels; `invalid-argument` for another
 * padding.
 */
export const warp = (image: tf.Tensor4D, flow: tf.Tensor4D, { padding = 'zeros' }: WarpOptions = {}): tf.Tensor4D => {
  oneOf('warp: padding', padding, ['zeros', 'border'])
  const wanted = [image.shape[0], image.shape[1], image.shape[2], 2]
  if (image.rank !== 4 || flow.rank !== 4 || wanted.some((side, axis) => side !== flow.shape[axis])) {
    throw new FxError(
      'shape-mismatch',
      `warp: an image [N, H, W, C] needs a flow [N, H, W, 2], got [${image.shape.join(', ')}] and [${flow.shape.join(', ')}]`,
      { details: { image: image.shape, flow: flow.shape } },
    )
  }
  const sampled = tf.customGrad((input, save) => {
    const pixels = input as tf.Tensor4D
    ;(save as tf.GradSaveFunc)([flow])
    const { shape } = pixels
    const rows = tf.reshape(pixels, [-1, shape[3]])
    const parts = corners(flow, padding).map(({ index, share }) => tf.mul(tf.gather(rows, index), share))
    return {
      value: tf.reshape(tf.addN(parts), shape),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const gradients = tf.reshape(dy, [-1, shape[3]])
        const around = corners(saved[0] as tf.Tensor4D, padding)
        const indices = tf.concat(around.map(({ index }) => tf.reshape(index, [-1, 1])))
        const updates = tf.concat(around.map(({ share }) => tf.mul(gradients, share)))
        return tf.reshape(tf.scatterND(indices, updates, [gradients.shape[0]!, shape[3]]), shape)
      },
    }
  })
  return tf.tidy(() => sampled(image) as tf.Tensor4D)
}
