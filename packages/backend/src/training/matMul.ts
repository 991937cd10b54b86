import type { TensorInfo } from '@tensorflow/tfjs-core'
import * as tf from '@tensorflow/tfjs-core'
import { addressOf, allocate, allocateZeros, nativeKernels, withScratch } from './native.js'
import type { Call, NativeKernel } from './override.js'

/** How many matrices further each step along the axes of `shape` leads in a tensor of `batch`: none where it repeats. */
const batchSteps = (batch: number[], shape: number[]): number[] => {
  const strides = tf.util.computeStrides([...batch, 1])
  const added = shape.length - batch.length
  return shape.map((_, axis) => (axis < added || batch[axis - added] === 1 ? 0 : strides[axis - added]!))
}

/** For each matrix of the product, in order, which matrix of a tensor of `batch` it is made of. */
const matrixIndices = (batch: number[], shape: number[]): number[] =>
  batchSteps(batch, shape).reduce(
    (indices, step, axis) => indices.flatMap(index => Array.from({ length: shape[axis]! }, (_, i) => index + i * step)),
    [0],
  )

/**
 * tf.matMul. tfjs hands only a product of two single matrices, neither of them transposed, to XNNPACK, which keeps
 * constant weights packed and uses all threads; all else goes through a loop of one multiplication at a time.
 */
const batchMatMul = ({ inputs, attrs, backend }: Call) => {
  const { a, b } = inputs as { a: TensorInfo; b: TensorInfo }
  const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean }
  const [aBatch, bBatch] = [a.shape.slice(0, -2), b.shape.slice(0, -2)]
  const [aFirst, aSecond] = a.shape.slice(-2) as [number, number]
  const [bFirst, bSecond] = b.shape.slice(-2) as [number, number]
  const [rows, depth] = transposeA ? [aSecond, aFirst] : [aFirst, aSecond]
  const [inner, columns] = transposeB ? [bSecond, bFirst] : [bFirst, bSecond]
  const single = tf.util.sizeFromShape(aBatch) * tf.util.sizeFromShape(bBatch) === 1
  // What does not fit together, too, is left to tfjs, and its message.
  const left = inner !== depth || a.dtype !== 'float32' || b.dtype !== 'float32'
  if (left || (single && depth > 0 && !transposeA && !transposeB)) return undefined
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(aBatch, bBatch)
  const shape = [...batch, rows, columns]
  if (depth === 0) return allocateZeros(backend, shape).info
  const product = allocate(backend, shape)
  if (tf.util.sizeFromShape(shape) === 0) return product.info

  const native = nativeKernels(backend)
  const [aAt, bAt] = [addressOf(backend, a), addressOf(backend, b)]
  const [turnedA, turnedB] = [Number(transposeA), Number(transposeB)]
  return withScratch(backend, native.matMulScratch(depth, columns), scratch => {
    const multiply = (i: number, j: number, k: number, count: number) =>
      native.matMul(
        aAt + 4 * i * rows * depth,
        bAt + 4 * j * depth * columns,
        product.address + 4 * k * rows * columns,
        scratch,
        count * rows,
        depth,
        columns,
        turnedA,
        turnedB,
      )
    // One matrix for all: their rows are those of one tall matrix.
    const shared = !transposeA && tf.util.sizeFromShape(bBatch) === 1
    if (shared) multiply(0, 0, 0, tf.util.sizeFromShape(batch))
    else {
      const ofB = matrixIndices(bBatch, batch)
      matrixIndices(aBatch, batch).forEach((ofA, k) => {
        multiply(ofA, ofB[k]!, k, 1)
      })
    }
    return product.info
  })
}

export const matMulKernels: NativeKernel[] = [{ kernelName: tf.BatchMatMul, run: batchMatMul }]
