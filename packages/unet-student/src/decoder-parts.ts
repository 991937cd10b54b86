import { FxError, oneOf } from '@fx/core'
import {
  type BlockOptions,
  convBatchNorm,
  depthwiseSeparable,
  invertedResidual,
  universalInvertedBottleneck,
} from '@fx/mobilenet-encoder'
import { layers, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { film } from './parameters.js'

/** How an encoder's feature joins the decoder: beside it (`concat`), or narrowed to its width and summed (`add`). */
export const skips = ['concat', 'add'] as const
export type Skip = (typeof skips)[number]

/**
 * How a stage doubles the resolution. `nearest` computes the same in tfjs and in Keras. `bilinear` does not: the
 * UpSampling2D of tfjs samples at `i / 2` (align_corners and half_pixel_centers both false), Keras's at
 * `(i + 0.5) / 2 - 0.5` (half-pixel centres), so weights trained in one give slightly shifted features in the other.
 */
export const upsamplings = ['bilinear', 'nearest'] as const
export type Upsampling = (typeof upsamplings)[number]

/**
 * What refines a stage after its feature has joined. The universal inverted bottleneck is the one with a 3x3 depthwise
 * convolution before its expansion and another within (MobileNetV4's "ExtraDW", Qin et al. 2024, section 3).
 */
export const decoderBlocks = ['invertedResidual', 'universalInvertedBottleneck', 'depthwiseSeparable'] as const
export type DecoderBlock = (typeof decoderBlocks)[number]

/**
 * A 1x1 convolution to `filters` channels with batch normalisation and ReLU6, to be run before `upsample`, while pixels
 * are few. With a condition's values `[N, P]` the effect's parameters modulate it (`film`), between normalisation and
 * activation.
 *
 * Layers: `<name>`, `<name>_BN`, `<name>_film...`, `<name>_relu`.
 */
export const reduceChannels = (
  x: SymbolicTensor,
  { values, ...options }: BlockOptions & { filters: number; values?: SymbolicTensor },
): SymbolicTensor => {
  if (values === undefined) return convBatchNorm(x, options)
  const { name } = options
  const modulated = film(convBatchNorm(x, { ...options, activation: 'linear' }), values, { name: `${name}_film` })
  return layers.reLU({ name: `${name}_relu`, maxValue: 6 }).apply(modulated) as SymbolicTensor
}

/**
 * Doubles height and width of `[N, H, W, C]`. Layer: `<name>`.
 *
 * @throws FxError `invalid-argument` for an unknown upsampling.
 */
export const upsample = (
  x: SymbolicTensor,
  { name, upsampling = 'bilinear' }: { name: string; upsampling?: Upsampling },
): SymbolicTensor =>
  layers
    .upSampling2d({ name, size: [2, 2], interpolation: oneOf('upsampling', upsampling, upsamplings) })
    .apply(x) as SymbolicTensor

/**
 * Joins an encoder's feature to the decoder's, both of one height and width.
 *
 * Layers: `<name>_concat`; or `<name>_skip`, its batch normalisation and activation, and `<name>_add`.
 *
 * @throws FxError `invalid-argument` for an unknown skip, `shape-mismatch` for features of different sizes.
 */
export const joinFeature = (
  x: SymbolicTensor,
  feature: SymbolicTensor,
  { skip = 'concat', name, batchNorm, seed }: BlockOptions & { skip?: Skip },
): SymbolicTensor => {
  const sizes = [x, feature].map(({ shape }) => `${shape[1]}x${shape[2]}`)
  if (sizes[0] !== sizes[1]) {
    throw new FxError('shape-mismatch', `'${name}' cannot join features of ${sizes.join(' and ')}; they must be equal`)
  }
  if (oneOf('skip', skip, skips) === 'concat') {
    return layers.concatenate({ name: `${name}_concat` }).apply([x, feature]) as SymbolicTensor
  }
  const narrowed = convBatchNorm(feature, { batchNorm, seed, name: `${name}_skip`, filters: x.shape[3]! })
  return layers.add({ name: `${name}_add` }).apply([x, narrowed]) as SymbolicTensor
}

/**
 * One block of a kind, which keeps the resolution: `[N, H, W, C] -> [N, H, W, filters]`.
 *
 * @throws FxError `invalid-argument` for an unknown block.
 */
export const refine = (
  x: SymbolicTensor,
  { block, expansion, ...options }: BlockOptions & { block: DecoderBlock; filters: number; expansion: number },
): SymbolicTensor => {
  switch (oneOf('block', block, decoderBlocks)) {
    case 'invertedResidual':
      return invertedResidual(x, { ...options, expansion })
    case 'universalInvertedBottleneck':
      return universalInvertedBottleneck(x, { ...options, expansion, startKernelSize: 3, activation: 'relu6' })
    case 'depthwiseSeparable':
      return depthwiseSeparable(x, options)
  }
}
