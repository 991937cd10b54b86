import { channelwise, type InputNormalization } from './normalization.js'

/** A kernel `[h, w, in, out]`, row-major. */
export interface Kernel {
  shape: readonly [number, number, number, number]
  values: Float32Array
}

/**
 * The kernel that sees images in [0, 1] in place of normalised ones, and what its output then has too much: to be added
 * to the mean of the batch normalisation behind it. Where the window reaches into the zeros around the image it is not
 * the same: those stood for the mean colour and now stand for black.
 */
export const foldNormalization = (
  { shape, values }: Kernel,
  normalization: InputNormalization,
): { kernel: Kernel; shift: Float32Array } => {
  const [, , inputs, outputs] = shape
  const { mean, std } = channelwise(normalization, inputs)
  const shift = new Float64Array(outputs)
  const folded = values.map((value, i) => {
    const channel = Math.floor(i / outputs) % inputs
    const scaled = value / std[channel]!
    shift[i % outputs]! += scaled * mean[channel]!
    return scaled
  })
  return { kernel: { shape, values: folded }, shift: Float32Array.from(shift) }
}

/**
 * A kernel for another number of input channels, as timm adapts it (`adapt_input_conv`): of one channel, the sum over
 * those there were, so that a grey image gives what the same image in colour gave; of others, the channels there were in
 * turn, scaled so that the sum stays about the same.
 */
export const adaptChannels = ({ shape, values }: Kernel, inputs: number): Kernel => {
  const [height, width, from, outputs] = shape
  const adapted = new Float32Array(height * width * inputs * outputs)
  for (let pixel = 0; pixel < height * width; pixel++) {
    for (let channel = 0; channel < Math.max(inputs, from); channel++) {
      if (inputs > 1 && channel >= inputs) break
      const to = inputs === 1 ? 0 : channel
      for (let output = 0; output < outputs; output++) {
        const value = values[(pixel * from + (channel % from)) * outputs + output]!
        adapted[(pixel * inputs + to) * outputs + output]! += inputs === 1 ? value : (value * from) / inputs
      }
    }
  }
  return { shape: [height, width, inputs, outputs], values: adapted }
}
