import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'

export type Op = (...inputs: tf.Tensor[]) => tf.Tensor

export interface Case {
  name: string
  op: Op
  shapes: number[][]
  /** What tfjs alone does with the second derivative. */
  stock: 'right' | 'wrong' | 'throws'
}

type Image = tf.Tensor4D
type Pool = Parameters<typeof tf.avgPool>[3]

const elementwise = (name: string, stock: Case['stock'], op: (x: tf.Tensor) => tf.Tensor): Case => ({
  name,
  stock,
  op: (x, w) => op(tf.mul(x!, w!)),
  shapes: [
    [3, 8],
    [3, 8],
  ],
})

const ofImage = (name: string, stock: Case['stock'], op: (x: Image) => tf.Tensor, shape = [2, 6, 6, 2]): Case => ({
  name,
  stock,
  op: (x, w) => op(tf.mul(x!, w!) as Image),
  shapes: [shape, shape],
})

const weights = (name: string, stock: Case['stock'], op: (x: Image, w: Image) => tf.Tensor, x: number[], w: number[]) =>
  ({ name, stock, op: op as unknown as Op, shapes: [x, w] }) satisfies Case

const convolutions = (['same', 'valid', 1] as const).flatMap(pad =>
  [1, 2].flatMap(stride => [
    weights(
      `conv2d, stride ${stride}, pad ${pad}`,
      'throws',
      (x, w) => tf.conv2d(x, w, stride, pad),
      [2, 6, 5, 3],
      [3, 3, 3, 2],
    ),
    weights(
      `depthwiseConv2d, stride ${stride}, pad ${pad}`,
      'throws',
      (x, w) => tf.depthwiseConv2d(x, w, stride, pad),
      [2, 6, 5, 3],
      [3, 3, 3, 2],
    ),
  ]),
)

const transposed = [1, 2].map(stride =>
  weights(
    `conv2dTranspose, stride ${stride}`,
    'throws',
    (x, w) => tf.conv2dTranspose(x, w, [2, 3 * stride, 4 * stride, 2], stride, 'same'),
    [2, 3, 4, 3],
    [3, 3, 2, 3],
  ),
)

const pools = (['valid', 'same'] as Pool[]).flatMap(pad => [
  ofImage(`maxPool, pad ${pad}`, 'throws', x => tf.maxPool(x, 3, 2, pad)),
  // Windows of 2 on an even size: padding adds nothing, and tfjs's own gradient is exact.
  ofImage(`avgPool, pad ${pad}`, 'throws', x => tf.avgPool(x, 2, 2, pad)),
])

export const cases: Case[] = [
  elementwise('exp', 'wrong', x => tf.exp(x)),
  elementwise('sigmoid', 'wrong', x => tf.sigmoid(x)),
  elementwise('silu', 'wrong', x => tf.mul(x, tf.sigmoid(x))),
  elementwise('tanh', 'wrong', x => tf.tanh(x)),
  elementwise('softmax', 'wrong', x => tf.softmax(x)),
  elementwise('log of softmax', 'wrong', x => tf.log(tf.softmax(x))),
  elementwise('elu', 'throws', x => tf.elu(x)),
  elementwise('selu', 'throws', x => tf.selu(x)),
  elementwise('softplus', 'right', x => tf.softplus(x)),
  elementwise('relu', 'right', x => tf.relu(x)),
  elementwise('relu6', 'throws', x => tf.relu6(tf.mul(x, 4))),
  elementwise('leakyRelu', 'throws', x => tf.leakyRelu(x, 0.2)),
  elementwise('clipByValue', 'throws', x => tf.clipByValue(x, -0.61, 0.93)),
  elementwise('max', 'throws', x => tf.max(x, 1)),
  elementwise('min', 'throws', x => tf.min(x, 1, true)),
  elementwise('where', 'throws', x => tf.where(tf.logicalAnd(tf.greater(x, -1), tf.less(x, 0)), x, tf.square(x))),
  elementwise('where with not, or, equal', 'throws', x =>
    tf.where(
      tf.logicalOr(tf.logicalNot(tf.lessEqual(x, 0)), tf.logicalOr(tf.equal(x, 9), tf.notEqual(x, x))),
      x,
      tf.mul(x, 0.3),
    ),
  ),
  {
    name: 'maximum',
    stock: 'throws',
    op: (a, b) => tf.maximum(a!, tf.add(b!, 1 / 16)),
    shapes: [
      [3, 8],
      [3, 8],
    ],
  },
  {
    name: 'minimum',
    stock: 'throws',
    op: (a, b) => tf.minimum(a!, tf.add(b!, 1 / 16)),
    shapes: [
      [3, 8],
      [3, 8],
    ],
  },
  { name: 'prelu', stock: 'throws', op: (x, alpha) => tf.prelu(x!, alpha!), shapes: [[3, 8], [8]] },
  { name: 'pow', stock: 'throws', op: (a, b) => tf.pow(tf.add(tf.square(a!), 0.5), b!), shapes: [[3, 8], [8]] },
  ...convolutions,
  ...transposed,
  ...pools,
  ofImage('resizeBilinear', 'throws', x => tf.image.resizeBilinear(x, [9, 12])),
  ofImage('resizeBilinear, alignCorners', 'throws', x => tf.image.resizeBilinear(x, [4, 3], true)),
  ofImage('resizeNearestNeighbor', 'throws', x => tf.image.resizeNearestNeighbor(x, [12, 18])),
  ofImage('resizeNearestNeighbor, halfPixelCenters', 'throws', x =>
    tf.image.resizeNearestNeighbor(x, [4, 9], false, true),
  ),
  ofImage('resizeBilinear, not square', 'throws', x => tf.image.resizeBilinear(x, [8, 5]), [2, 4, 6, 1]),
  ofImage(
    'resizeBilinear, halfPixelCenters',
    'throws',
    x => tf.image.resizeBilinear(x, [7, 9], false, true),
    [2, 4, 6, 1],
  ),
  {
    name: 'batchNorm',
    stock: 'right',
    op: (x, scale) => {
      const { mean, variance } = tf.moments(x!, [0, 1, 2])
      return tf.batchNorm(
        x as Image,
        mean as tf.Tensor1D,
        variance as tf.Tensor1D,
        scale as tf.Tensor1D,
        scale as tf.Tensor1D,
      )
    },
    shapes: [[2, 3, 3, 2], [2]],
  },
  {
    name: 'a discriminator',
    stock: 'throws',
    op: (x, first, second, third) => {
      const features = tf.leakyRelu(tf.conv2d(x as Image, first as Image, 1, 'same'), 0.2)
      const coarse = tf.leakyRelu(tf.conv2d(features as Image, second as Image, 2, 'same'), 0.2)
      return tf.softplus(tf.matMul(tf.reshape(coarse, [2, -1]), third as tf.Tensor2D))
    },
    shapes: [
      [2, 4, 4, 2],
      [3, 3, 2, 3],
      [3, 3, 3, 3],
      [12, 1],
    ],
  },
]

/** Distinct values in [-1.5, 1.5] in random order, so that no two meet and none meets a corner of an activation. */
const spread = (shape: number[], ...seed: (string | number)[]): Float32Array => {
  const size = tf.util.sizeFromShape(shape)
  const values = Array.from({ length: size }, (_, i) => (3 * (i + 0.5)) / size - 1.5)
  return Float32Array.from(seededRandom(7, ...seed).shuffled(values))
}

/** A factor for each output value, so that no symmetry hides an error. */
const loss = (op: Op, inputs: tf.Tensor[]): tf.Scalar => {
  const y = op(...inputs)
  const factors = tf.tensor(spread(y.shape, 'factors'), y.shape)
  return tf.sum(tf.mul(tf.add(tf.square(y), tf.mul(y, 0.5)), factors)) as tf.Scalar
}

const firstGradients = (op: Op, inputs: tf.Tensor[]) => tf.grads((...args) => loss(op, args))(inputs)

const make = ({ shapes }: Case, values: Float32Array[]) => shapes.map((shape, i) => tf.tensor(values[i]!, shape))

const valuesOf = (test: Case) => test.shapes.map((shape, i) => spread(shape, 'input', i))

const read = (tensors: tf.Tensor[]) => tensors.map(tensor => tensor.dataSync<'float32'>().slice())

export const firstOrder = (test: Case): Float32Array[] =>
  tf.tidy(() => read(firstGradients(test.op, make(test, valuesOf(test)))))

const sumOfSquares = (arrays: Float32Array[]): number =>
  arrays.reduce((sum, array) => array.reduce((total, value) => total + value * value, sum), 0)

/**
 * Differentiates the sum of squares of all first gradients with respect to every input, and compares with central
 * differences of the first gradients along random directions of one input at a time.
 *
 * @returns the largest difference, relative to the gradient's length times the direction's.
 */
export const secondOrderError = (test: Case): number => {
  const values = valuesOf(test)
  const analytic = tf.tidy(() => {
    const penalty = (...args: tf.Tensor[]) => tf.addN(firstGradients(test.op, args).map(g => tf.sum(tf.square(g))))
    return read(tf.grads(penalty)(make(test, values)))
  })
  const epsilon = 2e-3
  let worst = 0
  for (const [input, gradient] of analytic.entries()) {
    for (let attempt = 0; attempt < 3; attempt++) {
      const random = seededRandom(7, 'direction', attempt)
      const direction = gradient.map(() => 2 * random.uniform() - 1)
      const penaltyAt = (step: number): number => {
        const moved = values.map((array, i) =>
          i === input ? array.map((value, j) => value + step * direction[j]!) : array,
        )
        return sumOfSquares(tf.tidy(() => read(firstGradients(test.op, make(test, moved)))))
      }
      const numeric = (penaltyAt(epsilon) - penaltyAt(-epsilon)) / (2 * epsilon)
      const exact = gradient.reduce((sum, value, j) => sum + value * direction[j]!, 0)
      const scale = Math.sqrt(sumOfSquares([gradient]) * sumOfSquares([direction]))
      const error = Math.abs(numeric - exact) / Math.max(scale, 1e-3)
      if (!(error <= worst)) worst = error
    }
  }
  return worst
}
