import type { DataId, KernelFunc, TensorInfo } from '@tensorflow/tfjs-core'
import { LOW_PASS_FACTOR, MODULATED_ACTIVATION, type ModulationAttrs } from './modulation.js'
import { layerKernel } from './override.js'

/** What this package uses of tfjs's MathBackendCPU (the package is not imported here). */
interface CpuBackend {
  readSync(dataId: DataId): Float32Array
  write(values: Float32Array, shape: number[], dtype: 'float32'): DataId
}

/** `factor / sqrt(sum over inputs of style^2 * squares + epsilon)`, `[N, C]`. */
const demodulation = (
  style: Float32Array,
  squares: Float32Array,
  channels: number,
  epsilon: number,
  factor: number,
): Float32Array => {
  const inputs = squares.length / channels
  const batch = style.length / inputs
  const scale = new Float32Array(batch * channels)
  for (let image = 0; image < batch; image++) {
    for (let c = 0; c < channels; c++) {
      let sum = epsilon
      for (let i = 0; i < inputs; i++) sum += style[image * inputs + i]! ** 2 * squares[i * channels + c]!
      scale[image * channels + c] = factor / Math.sqrt(sum)
    }
  }
  return scale
}

/** x `[N, H + 1, W + 1, C]` smoothed by [1, 3, 3, 1] both ways, not normalised, to `[N, H, W, C]`. */
const lowPassed = (x: Float32Array, batch: number, height: number, width: number, channels: number): Float32Array => {
  const row = (width + 1) * channels
  const out = width * channels
  const y = new Float32Array(batch * height * out)
  // Sums of columns with a pixel of zeros at either end.
  const sums = new Float32Array(row + 2 * channels)
  for (let image = 0; image < batch; image++) {
    for (let line = 0; line < height; line++) {
      const at = (image * (height + 1) + line) * row
      for (let i = 0; i < row; i++) {
        const above = line > 0 ? x[at + i - row]! : 0
        const below = line + 1 < height ? x[at + i + 2 * row]! : 0
        sums[i + channels] = above + below + 3 * (x[at + i]! + x[at + i + row]!)
      }
      const to = (image * height + line) * out
      const [second, third, fourth] = [channels, 2 * channels, 3 * channels]
      for (let i = 0; i < out; i++) {
        y[to + i] = sums[i]! + sums[i + fourth]! + 3 * (sums[i + second]! + sums[i + third]!)
      }
    }
  }
  return y
}

const run: KernelFunc = ({ inputs, attrs, backend: given }) => {
  const { x, style, squares, bias, noise } = inputs as Record<string, TensorInfo> & { x: TensorInfo }
  const { lowPass, epsilon, slope, limit } = attrs as unknown as ModulationAttrs
  const backend = given as unknown as CpuBackend
  const valuesOf = ({ dataId }: TensorInfo): Float32Array => backend.readSync(dataId)
  const margin = lowPass ? 1 : 0
  const [batch, height, width, channels] = [x.shape[0]!, x.shape[1]! - margin, x.shape[2]! - margin, x.shape[3]!]
  const factor = lowPass ? LOW_PASS_FACTOR : 1
  const scale = demodulation(valuesOf(style!), valuesOf(squares!), channels, epsilon, factor)
  const before = valuesOf(x)
  const smooth = lowPass ? lowPassed(before, batch, height, width, channels) : before
  const offsets = valuesOf(bias!)
  const maps = noise && valuesOf(noise)
  const pixels = height * width
  const noiseStep = noise && noise.shape[0]! > 1 ? pixels : 0
  const y = lowPass ? smooth : new Float32Array(smooth.length)
  let at = 0
  for (let image = 0; image < batch; image++) {
    for (let pixel = 0; pixel < pixels; pixel++) {
      const shift = maps ? maps[image * noiseStep + pixel]! : 0
      for (let c = 0; c < channels; c++, at++) {
        const a = smooth[at]! * scale[image * channels + c]! + offsets[c]! + shift
        const leaky = a > 0 ? a + slope * a : slope * a
        y[at] = leaky > limit ? limit : leaky < -limit ? -limit : leaky
      }
    }
  }
  const shape = [batch, height, width, channels]
  return { dataId: backend.write(y, shape, 'float32'), shape, dtype: 'float32' }
}

/** The kernel of `modulation.ts` on cpu, where each of tfjs's operations with broadcasting takes longer than all of it. */
export const cpuModulation = (): (() => void) =>
  layerKernel(MODULATED_ACTIVATION, 'cpu', () => ({
    kernelName: MODULATED_ACTIVATION,
    backendName: 'cpu',
    kernelFunc: run,
  }))
