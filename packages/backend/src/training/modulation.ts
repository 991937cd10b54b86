import type { TensorInfo } from '@tensorflow/tfjs-core'
import { addressOf, allocate, nativeKernels, withScratch } from './native.js'
import type { NativeKernel } from './override.js'

export const MODULATED_ACTIVATION = 'FxModulatedActivation'

/** What a caller of the kernel below passes beside tensors. */
export interface ModulationAttrs {
  lowPass: boolean
  epsilon: number
  slope: number
  limit: number
}

/** Of the filter [1, 3, 3, 1] x [1, 3, 3, 1] with a gain of 2 an axis: every second pixel of what it smooths is new. */
export const LOW_PASS_FACTOR = 1 / 16

/**
 * What follows a modulated convolution, in one pass: x `[N, H, W, C]` becomes
 * `clamp(max(a, 0) + slope * a, +-limit)` with `a = x / sqrt(style^2 . squares + epsilon) + bias + noise`. Inputs: `style`
 * of N rows of inputs, `squares` `[inputs, C]`, `bias` `[C]` and, if there is any, `noise` `[N or 1, H, W, 1]`. With
 * `lowPass`, x is one pixel higher and wider, as a transposed convolution of stride 2 leaves it, and is smoothed first by
 * [1, 3, 3, 1] / 4 both ways. No gradient: only for what no tape records.
 *
 * Source: Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020, sections 2.2 and 4.1.
 */
export const modulationKernels: NativeKernel[] = [
  {
    kernelName: MODULATED_ACTIVATION,
    run({ inputs, attrs, backend }) {
      const { x, style, squares, bias, noise } = inputs as Record<string, TensorInfo | undefined> &
        Record<'x' | 'style' | 'squares' | 'bias', TensorInfo>
      const { lowPass, epsilon, slope, limit } = attrs as unknown as ModulationAttrs
      const [batch, inHeight, inWidth, channels] = x.shape as [number, number, number, number]
      const margin = lowPass ? 1 : 0
      const height = inHeight - margin
      const width = inWidth - margin
      const y = allocate(backend, [batch, height, width, channels])
      const native = nativeKernels(backend)
      const rows = lowPass ? (2 * width + 5) * channels : 0
      return withScratch(backend, batch * channels + rows, scratch => {
        const at = (tensor: TensorInfo): number => addressOf(backend, tensor)
        const factor = lowPass ? LOW_PASS_FACTOR : 1
        native.demodulation(at(style), at(squares), scratch, batch, squares.shape[0]!, channels, epsilon, factor)
        const noiseStep = noise && noise.shape[0]! > 1 ? height * width : 0
        const shared = [scratch, at(bias), noise ? at(noise) : 0, batch] as const
        if (lowPass) {
          const room = scratch + 4 * batch * channels
          native.lowPassModulated(at(x), y.address, room, ...shared, height, width, channels, noiseStep, slope, limit)
        } else {
          native.activateModulated(at(x), y.address, ...shared, height * width, channels, noiseStep, slope, limit)
        }
        return y.info
      })
    },
  },
]
