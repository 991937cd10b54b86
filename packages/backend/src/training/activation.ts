import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core'
import * as tf from '@tensorflow/tfjs-core'
import { addressOf, allocate, nativeKernels } from './native.js'
import { type Call, type NativeGradient, type NativeKernel, runNative } from './override.js'

const RELU_GRAD = 'FxReluGrad'
const CLIP_GRAD = 'FxClipGrad'

const prepare = ({ inputs, backend }: Call) => {
  const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo }
  const dx = allocate(backend, x.shape)
  const args = [addressOf(backend, x), addressOf(backend, dy), dx.address, tf.util.sizeFromShape(x.shape)]
  return { native: nativeKernels(backend), args, dx: dx.info }
}

export const activationKernels: NativeKernel[] = [
  {
    kernelName: RELU_GRAD,
    run(call) {
      const { native, args, dx } = prepare(call)
      native.reluGrad(...args, call.attrs.high as number)
      return dx
    },
  },
  {
    kernelName: CLIP_GRAD,
    run(call) {
      const { native, args, dx } = prepare(call)
      native.clipGrad(...args, call.attrs.low as number, call.attrs.high as number)
      return dx
    },
  },
]

const relu = (x: Tensor, dy: Tensor, high: number) => ({ x: () => runNative(RELU_GRAD, { x, dy }, { high })[0]! })

/** One pass through memory each, where tfjs builds masks from comparisons, casts and products. */
export const activationGradients: NativeGradient[] = [
  { kernelName: tf.Relu, run: (dy, [x]) => relu(x!, dy, Number.POSITIVE_INFINITY) },
  { kernelName: tf.Relu6, run: (dy, [x]) => relu(x!, dy, 6) },
  {
    kernelName: tf.ClipByValue,
    run: (dy, [x], { clipValueMin, clipValueMax }) => ({
      x: () => runNative(CLIP_GRAD, { x: x!, dy }, { low: clipValueMin!, high: clipValueMax! })[0]!,
    }),
  },
]
