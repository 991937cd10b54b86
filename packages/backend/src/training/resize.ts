import type { KernelFunc, Tensor2D, Tensor4D, TensorInfo, TypedArray } from '@tensorflow/tfjs-core'
import * as tf from '@tensorflow/tfjs-core'
import { layerGradient, layerKernel } from './override.js'

/** [to, from]: what each output row takes from each input row when pixel centres lie at half integers. */
const interpolation = (from: number, to: number, nearest: boolean): Tensor2D => {
  const weights = new Float32Array(to * from)
  for (let row = 0; row < to; row++) {
    const centre = ((row + 0.5) * from) / to
    const source = nearest ? Math.floor(centre) : Math.min(Math.max(centre - 0.5, 0), from - 1)
    const first = Math.floor(source)
    const second = Math.min(first + 1, from - 1)
    weights[row * from + first]! += 1 - (source - first)
    weights[row * from + second]! += source - first
  }
  return tf.tensor2d(weights, [to, from])
}

/** Contracts the first axis of x [to, a, b, c] with [to, from]; returns [from, a, b, c]. */
const contract = (x: Tensor4D, from: number, nearest: boolean): Tensor4D => {
  const [to, ...others] = x.shape
  const flat = tf.reshape(x, [to, -1])
  return tf.reshape(tf.matMul(interpolation(from, to, nearest), flat, true), [from, ...others] as Tensor4D['shape'])
}

/** The transpose of a resize, one axis after the other: dy [B, H', W', C] becomes [B, H, W, C]. */
const transposedResize = (dy: Tensor4D, [, height, width]: number[], nearest: boolean): Tensor4D => {
  const rows = contract(tf.transpose(dy, [1, 0, 2, 3]), height!, nearest)
  const columns = contract(tf.transpose(rows, [2, 1, 0, 3]), width!, nearest)
  return tf.transpose(columns, [1, 2, 0, 3])
}

/** What this package uses of tfjs's MathBackendCPU (the package is not imported here). */
interface CpuBackend {
  data: { get(dataId: object): { values: TypedArray } }
  makeTensorInfo(shape: number[], dtype: 'float32', values: Float32Array): TensorInfo
}

/** The input row or column that each output row or column copies, as ResizeNearestNeighbor chooses it. */
const nearestSources = (from: number, to: number, alignCorners: boolean): number[] => {
  const corners = alignCorners && to > 1 ? 1 : 0
  const ratio = (from - corners) / (to - corners)
  const round = alignCorners ? Math.round : Math.floor
  return Array.from({ length: to }, (_, i) => Math.min(from - 1, round(i * ratio)))
}

const nearestGradient: KernelFunc = call => {
  const { dy, images } = call.inputs as { dy: TensorInfo; images: TensorInfo }
  const backend = call.backend as CpuBackend
  const [batch, height, width, channels] = images.shape as Tensor4D['shape']
  const alignCorners = call.attrs!.alignCorners as boolean
  const rows = nearestSources(height, dy.shape[1]!, alignCorners)
  const columns = nearestSources(width, dy.shape[2]!, alignCorners)
  const values = backend.data.get(dy.dataId).values
  const dx = new Float32Array(batch * height * width * channels)
  let at = 0
  for (let b = 0; b < batch; b++) {
    for (const row of rows) {
      for (const column of columns) {
        const to = ((b * height + row) * width + column) * channels
        for (let c = 0; c < channels; c++) dx[to + c]! += values[at++]!
      }
    }
  }
  return backend.makeTensorInfo(images.shape, 'float32', dx)
}

const correctCpuKernels = (): (() => void)[] => {
  if (!tf.getKernel(tf.ResizeBilinearGrad, 'cpu')) return []
  return [
    layerKernel(tf.ResizeBilinearGrad, 'cpu', original => ({
      ...original!,
      // The values come in the right order; only the shape that names them is wrong.
      kernelFunc: call => ({ ...(original!.kernelFunc(call) as TensorInfo), shape: call.inputs.images!.shape }),
    })),
    layerKernel(tf.ResizeNearestNeighborGrad, 'cpu', original => ({ ...original!, kernelFunc: nearestGradient })),
  ]
}

/**
 * Corrects errors of tfjs 4.22 in the gradients of `resizeBilinear` and `resizeNearestNeighbor`: with
 * `halfPixelCenters` backends compute the gradient of a resize without; on cpu the first swaps height and width of its
 * result, and the second reads from the wrong image of a batch.
 */
export const correctResizeGradients = (): (() => void)[] => [
  ...correctCpuKernels(),
  ...[tf.ResizeBilinear, tf.ResizeNearestNeighbor].map(kernelName =>
    layerGradient(kernelName, original => ({
      ...original!,
      gradFunc(dy, saved, attrs) {
        if (!attrs.halfPixelCenters) return original!.gradFunc(dy, saved, attrs)
        const nearest = kernelName === tf.ResizeNearestNeighbor
        return { images: () => transposedResize(dy as Tensor4D, saved[0]!.shape, nearest) }
      },
    })),
  ),
]
