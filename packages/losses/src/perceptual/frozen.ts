import * as tf from '@tensorflow/tfjs-core'

/** A convolution of a frozen network with its bias and activation. */
export interface FrozenConvolution {
  /** HWIO, or `[h, w, C, 1]` when depthwise. */
  kernel: tf.Tensor4D
  bias: tf.Tensor1D
  activation: 'relu' | 'relu6'
  stride?: number
  pad: 'same' | 'valid'
  depthwise?: boolean
}

/**
 * Convolves `[N, H, W, C]`. tfjs takes a fused convolution apart while gradients are recorded, or computes the gradients
 * of weights that nobody asks for; here it stays one operation, and only the input has a gradient.
 */
export const convolveFrozen = (
  input: tf.Tensor4D,
  { kernel, bias, activation, stride = 1, pad, depthwise = false }: FrozenConvolution,
): tf.Tensor4D => {
  const shared = { strides: [stride, stride], pad, dimRoundingMode: undefined, dilations: [1, 1], dataFormat: 'NHWC' }
  const run = (name: string, inputs: Record<string, tf.Tensor>, attributes: Record<string, unknown>): tf.Tensor4D =>
    tf.engine().runKernel(name, inputs, { ...shared, ...attributes } as unknown as tf.NamedAttrMap) as tf.Tensor4D
  const convolution = tf.customGrad((x, save) => {
    const forward = depthwise ? tf.FusedDepthwiseConv2D : tf.FusedConv2D
    const value = run(forward, { x: x as tf.Tensor, filter: kernel, bias }, { activation })
    ;(save as tf.GradSaveFunc)([value])
    const gradFunc = (dy: tf.Tensor, [y]: tf.Tensor[]): tf.Tensor => {
      const open = activation === 'relu' ? tf.step(y!) : tf.mul(tf.step(y!), tf.step(tf.sub(6, y!)))
      const backward = depthwise ? tf.DepthwiseConv2dNativeBackpropInput : tf.Conv2DBackpropInput
      return run(backward, { dy: tf.mul(dy, open), filter: kernel }, { inputShape: input.shape })
    }
    return { value, gradFunc }
  })
  return convolution(input) as tf.Tensor4D
}
