import { layerSeed } from '@fx/mobilenet-encoder'
import { initializers, layers, type SymbolicTensor } from '@tensorflow/tfjs-layers'

/**
 * How the decoder's last features become the image:
 * - `direct`: `sigmoid(conv(features))`, the whole picture is painted anew;
 * - `residual`: `clip(input + delta)`, the student paints the change;
 * - `masked-residual`: `clip(input + mask * delta)`, it also decides where, so that the rest can be kept exactly.
 */
export const heads = ['direct', 'residual', 'masked-residual'] as const
export type Head = (typeof heads)[number]

/**
 * Small enough that an untrained student with a residual head is almost the identity, and not zero, so that the first
 * gradient already reaches the decoder.
 */
const initialVariance = 1e-3

const conv3x3 = (features: SymbolicTensor, name: string, filters: number, seed: number, activation?: 'sigmoid') =>
  layers
    .conv2d({
      name,
      filters,
      kernelSize: 3,
      padding: 'same',
      activation,
      kernelInitializer: initializers.varianceScaling({
        scale: initialVariance,
        mode: 'fanIn',
        distribution: 'normal',
        seed: layerSeed(seed, name),
      }),
    })
    .apply(features) as SymbolicTensor

/**
 * Builds the head on the input image `[N, H, W, 3]` in [0, 1] and features `[N, H, W, C]`; returns `[N, H, W, 3]` in [0, 1].
 * The mask starts at one half everywhere. The clip is a ReLU with a ceiling, since Keras has no clip layer.
 */
export const applyHead = (
  head: Head,
  image: SymbolicTensor,
  features: SymbolicTensor,
  seed: number,
): SymbolicTensor => {
  if (head === 'direct') return conv3x3(features, 'output', 3, seed, 'sigmoid')
  let delta = conv3x3(features, 'delta', 3, seed)
  if (head === 'masked-residual') {
    const mask = conv3x3(features, 'mask', 1, seed, 'sigmoid')
    delta = layers.multiply({ name: 'masked_delta' }).apply([delta, mask]) as SymbolicTensor
  }
  const sum = layers.add({ name: 'composite' }).apply([image, delta]) as SymbolicTensor
  return layers.reLU({ name: 'output', maxValue: 1 }).apply(sum) as SymbolicTensor
}
