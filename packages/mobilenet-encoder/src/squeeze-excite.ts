import { layers, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { hardSigmoid } from './activation.js'
import { heNormal } from './convolution.js'
import { makeDivisible } from './divisible.js'

export interface SqueezeExciteOptions {
  /** Prefix of the names of the layers; unique within a model. */
  name: string
  /** Width of the inside over the width of the input, rounded by `makeDivisible`. Default 1/4. */
  ratio?: number
  /** Seed of the model's initial weights. Default 0. */
  seed?: number
}

/**
 * Squeeze and excitation as in MobileNetV3 (Howard et al. 2019, section 5.3; Hu et al. 2018): the mean of each channel
 * over the picture goes through two 1x1 convolutions, and each channel is multiplied by what comes out, through a hard
 * sigmoid. `[N, H, W, C] -> [N, H, W, C]`.
 *
 * Layers, with Keras's names: `<name>_squeeze_excite_` and `avg_pool`, `pixel`, `conv`, `relu`, `conv_1`, `gate_line`,
 * `gate`, `mul`. The convolutions have a bias and no batch normalisation.
 */
export const squeezeExcite = (input: SymbolicTensor, options: SqueezeExciteOptions): SymbolicTensor => {
  const { ratio = 0.25, seed = 0 } = options
  const name = (part: string): string => `${options.name}_squeeze_excite_${part}`
  const channels = input.shape[3]!
  const conv = (x: SymbolicTensor, part: string, filters: number, activation: 'relu' | 'linear') =>
    layers
      .conv2d({
        name: name(part),
        filters,
        kernelSize: 1,
        padding: 'same',
        kernelInitializer: heNormal(seed, name(part), activation),
      })
      .apply(x) as SymbolicTensor

  // tfjs's pooling drops the two axes that Keras can keep.
  const mean = layers
    .globalAveragePooling2d({ name: name('avg_pool'), dataFormat: 'channelsLast' })
    .apply(input) as SymbolicTensor
  const pixel = layers.reshape({ name: name('pixel'), targetShape: [1, 1, channels] }).apply(mean) as SymbolicTensor
  const reduced = conv(pixel, 'conv', makeDivisible(channels * ratio), 'relu')
  const rectified = layers.reLU({ name: name('relu') }).apply(reduced) as SymbolicTensor
  const gate = hardSigmoid(conv(rectified, 'conv_1', channels, 'linear'), name('gate'))
  return layers.multiply({ name: name('mul') }).apply([input, gate]) as SymbolicTensor
}
