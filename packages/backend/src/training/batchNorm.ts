import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core'
import * as tf from '@tensorflow/tfjs-core'
import { addressOf, allocate, heapOf, nativeKernels, type WasmBackend, withScratch } from './native.js'
import { type Call, type NativeGradient, type NativeKernel, runNative } from './override.js'

const NORM_GRAD = 'FxBatchNormGrad'
const TRAINING = 'FxBatchNormTraining'
const TRAINING_GRAD = 'FxBatchNormTrainingGrad'

const addressOrNull = (backend: WasmBackend, info: TensorInfo | undefined): number =>
  info ? addressOf(backend, info) : 0

const dimensions = (x: TensorInfo): { rows: number; channels: number } => {
  const channels = x.shape.at(-1)!
  return { rows: tf.util.sizeFromShape(x.shape) / channels, channels }
}

/** Statistics of the usual form, one number a channel of the last axis; the broadcasting forms are left to tfjs. */
const perChannel = (x: { shape: number[] }, mean: { shape: number[] }): boolean =>
  mean.shape.length === 1 && mean.shape[0] === x.shape.at(-1) && tf.util.sizeFromShape(x.shape) > 0

interface Normalise {
  x: TensorInfo
  mean: number
  variance: number
  scale: number
  offset: number
  epsilon: number
}

const normalise = (backend: WasmBackend, { x, mean, variance, scale, offset, epsilon }: Normalise): TensorInfo => {
  const native = nativeKernels(backend)
  const { rows, channels } = dimensions(x)
  const y = allocate(backend, x.shape)
  withScratch(backend, 2 * channels, factor => {
    const shift = factor + 4 * channels
    native.normaliseCoefficients(variance, scale, offset, factor, shift, channels, epsilon)
    native.normalise(addressOf(backend, x), mean, factor, shift, y.address, rows, channels)
  })
  return y.info
}

/** y, from given statistics: tfjs's FusedBatchNorm divides twice a value, one value at a time. */
const fusedBatchNorm = ({ inputs, attrs, backend }: Call) => {
  const { x, mean, variance, scale, offset } = inputs as Record<string, TensorInfo>
  if (!perChannel(x!, mean!)) return undefined
  return normalise(backend, {
    x: x!,
    mean: addressOf(backend, mean!),
    variance: addressOf(backend, variance!),
    scale: addressOrNull(backend, scale),
    offset: addressOrNull(backend, offset),
    epsilon: attrs.varianceEpsilon as number,
  })
}

/** [y, mean, variance], with the statistics of x itself. */
const training = ({ inputs, attrs, backend }: Call) => {
  const { x, scale, offset } = inputs as Record<string, TensorInfo>
  const native = nativeKernels(backend)
  const { rows, channels } = dimensions(x!)
  const mean = allocate(backend, [channels])
  const variance = allocate(backend, [channels])
  withScratch(backend, channels, scratch =>
    native.moments(addressOf(backend, x!), mean.address, variance.address, scratch, rows, channels),
  )
  const y = normalise(backend, {
    x: x!,
    mean: mean.address,
    variance: variance.address,
    scale: addressOrNull(backend, scale),
    offset: addressOrNull(backend, offset),
    epsilon: attrs.epsilon as number,
  })
  return [y, mean.info, variance.info]
}

/**
 * [dx, dOffset, dScale] and, for constant statistics, [.., dMean, dVariance]. With `throughStatistics`, mean and variance
 * are those of x, and dx holds their share too.
 */
const gradient =
  (throughStatistics: boolean) =>
  ({ inputs, attrs, backend }: Call) => {
    const { x, dy, mean, variance, scale } = inputs as Record<string, TensorInfo>
    const native = nativeKernels(backend)
    const { rows, channels } = dimensions(x!)
    const xAt = addressOf(backend, x!)
    const dyAt = addressOf(backend, dy!)
    const meanAt = addressOf(backend, mean!)
    const dx = allocate(backend, x!.shape)
    const dOffset = allocate(backend, [channels])
    const dScale = allocate(backend, [channels])
    return withScratch(backend, 6 * channels, scratch => {
      const [sumDyX, factor, slope, shift, sums] = [0, 1, 2, 3, 4].map(i => scratch + 4 * channels * i) as [
        number,
        number,
        number,
        number,
        number,
      ]
      native.normGradSums(xAt, dyAt, meanAt, dOffset.address, sumDyX, sums, rows, channels)
      native.normGradCoefficients(
        addressOf(backend, variance!),
        addressOrNull(backend, scale),
        dOffset.address,
        sumDyX,
        factor,
        slope,
        shift,
        dScale.address,
        rows,
        channels,
        attrs.epsilon as number,
      )
      if (throughStatistics) {
        native.normGradInput(xAt, dyAt, meanAt, factor, slope, shift, dx.address, rows, channels)
        return [dx.info, dOffset.info, dScale.info]
      }
      native.scaleChannels(dyAt, factor, dx.address, rows, channels)
      // dMean = -factor * sum(dy) and dVariance = -factor / 2 / (variance + epsilon) * sum(dy * (x - mean)):
      // the coefficients above, before they are spread over the rows.
      const dMean = allocate(backend, [channels])
      const dVariance = allocate(backend, [channels])
      const heap = heapOf(backend)
      for (let c = 0; c < channels; c++) {
        heap[(dMean.address >>> 2) + c] = heap[(shift >>> 2) + c]! * rows
        heap[(dVariance.address >>> 2) + c] = 0.5 * heap[(slope >>> 2) + c]! * rows
      }
      return [dx.info, dOffset.info, dScale.info, dMean.info, dVariance.info]
    })
  }

export const batchNormKernels: NativeKernel[] = [
  { kernelName: tf.FusedBatchNorm, run: fusedBatchNorm },
  { kernelName: NORM_GRAD, run: gradient(false) },
  { kernelName: TRAINING, run: training },
  { kernelName: TRAINING_GRAD, run: gradient(true) },
]

/** All five gradients from two passes through memory; tfjs's tiles the statistics to the size of the image. */
export const batchNormGradients: NativeGradient[] = [
  {
    kernelName: tf.FusedBatchNorm,
    run: (dy, [x, mean, variance, scale], attrs) => {
      if (!perChannel(x!, mean!)) return undefined
      const inputs = { x: x!, dy, mean: mean!, variance: variance!, ...(scale ? { scale } : {}) }
      const [dx, dOffset, dScale, dMean, dVariance] = runNative(NORM_GRAD, inputs, {
        epsilon: attrs.varianceEpsilon!,
      }) as [Tensor, Tensor, Tensor, Tensor, Tensor]
      return {
        x: () => dx,
        mean: () => dMean,
        variance: () => dVariance,
        scale: () => dScale,
        offset: () => dOffset,
      }
    },
  },
]

/**
 * Batch normalisation with the statistics of `x` [..., channels] itself, differentiable in x, scale and offset; on wasm
 * with `installTrainingKernels` only.
 *
 * @returns y [..., channels], mean and variance [channels]; the caller owns all three.
 */
export const batchNormTraining = (
  x: Tensor,
  scale: Tensor,
  offset: Tensor,
  epsilon: number,
): { y: Tensor; mean: Tensor; variance: Tensor } => {
  let statistics: Tensor[] = []
  const normalised = tf.customGrad((...args) => {
    const [input, gamma, beta, save] = args as [Tensor, Tensor, Tensor, tf.GradSaveFunc]
    const [y, mean, variance] = runNative(TRAINING, { x: input, scale: gamma, offset: beta }, { epsilon })
    save([input, gamma, mean!, variance!])
    // The statistics leave the op on the side: they feed the moving averages, through which nothing is differentiated.
    statistics = [tf.keep(mean!), tf.keep(variance!)]
    return {
      value: y!,
      gradFunc: (dy, saved) => {
        const [savedX, savedScale, savedMean, savedVariance] = saved as [Tensor, Tensor, Tensor, Tensor]
        const inputs = { x: savedX, dy: dy as Tensor, mean: savedMean, variance: savedVariance, scale: savedScale }
        const [dx, dOffset, dScale] = runNative(TRAINING_GRAD, inputs, { epsilon })
        return [dx!, dScale!, dOffset!]
      },
    }
  })
  const y = normalised(x, scale, offset)
  return { y, mean: statistics[0]!, variance: statistics[1]! }
}
