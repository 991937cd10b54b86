import type { NamedAttrMap, Tensor, TensorInfo } from '@tensorflow/tfjs-core'
import * as tf from '@tensorflow/tfjs-core'
import { addressOf, allocate, allocateZeros, nativeKernels, withScratch } from './native.js'
import { type Call, layerGradient, type NativeKernel, runNative } from './override.js'

const GROUP_NORM = 'FxGroupNorm'
const GROUP_NORM_GRAD = 'FxGroupNormGrad'

/** What a caller of `FxGroupNorm` passes beside tensors. */
interface GroupNormAttrs {
  groups: number
  epsilon: number
  silu: boolean
}

const measures = ({ inputs, attrs }: Call) => {
  const { x, scale, shift } = inputs as Record<'x' | 'scale' | 'shift', TensorInfo>
  const { groups, epsilon, silu } = attrs as unknown as GroupNormAttrs
  const [batch, height, width, channels] = x.shape as [number, number, number, number]
  const step = (t: TensorInfo): number => (tf.util.sizeFromShape(t.shape) === channels ? 0 : channels)
  const counts = [batch, height * width, channels, groups, step(scale), step(shift)]
  return { x, scale, shift, batch, channels, groups, epsilon, silu: Number(silu), counts }
}

const groupNorm = (call: Call) => {
  const { backend } = call
  const { x, scale, shift, batch, channels, groups, epsilon, silu, counts } = measures(call)
  const y = allocate(backend, x.shape)
  const mean = allocate(backend, [batch, groups])
  const inverse = allocate(backend, [batch, groups])
  const tensors = [x, scale, shift].map(tensor => addressOf(backend, tensor))
  const outputs = [y.address, mean.address, inverse.address]
  withScratch(backend, 3 * channels, scratch =>
    nativeKernels(backend).groupNorm(...tensors, ...outputs, scratch, ...counts, epsilon, silu),
  )
  return [y.info, mean.info, inverse.info]
}

/** [dx, dScale, dShift] */
const groupNormGrad = (call: Call) => {
  const { inputs, backend } = call
  const { x, scale, shift, channels, silu, counts } = measures(call)
  const dx = allocate(backend, x.shape)
  const dScale = allocateZeros(backend, scale.shape)
  const dShift = allocateZeros(backend, shift.shape)
  const tensors = [x, inputs.dy!, scale, shift, inputs.mean!, inputs.inverse!].map(tensor => addressOf(backend, tensor))
  const outputs = [dx.address, dScale.address, dShift.address]
  withScratch(backend, 8 * channels, scratch =>
    nativeKernels(backend).groupNormGrad(...tensors, ...outputs, scratch, ...counts, silu),
  )
  return [dx.info, dScale.info, dShift.info]
}

/**
 * `FxGroupNorm`: group normalisation of x `[N, H, W, C]`, whose channels lie in `groups`, then times `scale` and plus
 * `shift`, each `[C]` or with one row of C numbers an image, then x sigmoid(x) if `silu` is asked for. Outputs: the result
 * and, for the gradient, mean and inverse deviation of each group `[N, groups]`.
 *
 * Source: Wu and He, "Group normalization", ECCV 2018.
 */
export const groupNormKernels: NativeKernel[] = [
  { kernelName: GROUP_NORM, run: groupNorm },
  { kernelName: GROUP_NORM_GRAD, run: groupNormGrad },
]

/** With respect to x, scale and shift, once: it has no gradient of its own. */
export const groupNormGradient = (): (() => void) =>
  layerGradient(GROUP_NORM, () => ({
    kernelName: GROUP_NORM,
    inputsToSave: ['x', 'scale', 'shift'],
    outputsToSave: [false, true, true],
    gradFunc(dy, saved, attrs: NamedAttrMap) {
      const [x, scale, shift, mean, inverse] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor]
      const inputs = { x, scale, shift, mean, inverse, dy: (dy as Tensor[])[0]! }
      const [dx, dScale, dShift] = runNative(GROUP_NORM_GRAD, inputs, attrs) as [Tensor, Tensor, Tensor]
      return { x: () => dx, scale: () => dScale, shift: () => dShift }
    },
  }))
