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

/** Height and width, pixels. */
export interface ImageSize {
  height: number
  width: number
}

/** Those of a feature. */
export const imageSize = ({ shape }: SymbolicTensor): ImageSize => ({ height: shape[1]!, width: shape[2]! })

/** Whether sides are half of others, rounded up, as encoders round. */
export const isHalf = (half: ImageSize, whole: ImageSize): boolean =>
  half.height === Math.ceil(whole.height / 2) && half.width === Math.ceil(whole.width / 2)

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

/** How many rows and columns of x are beyond `size`: none or one of each. */
const beyond = (x: SymbolicTensor, size: ImageSize, cannot: string): { rows: number; columns: number } => {
  const { height, width } = imageSize(x)
  const [rows, columns] = [height - size.height, width - size.width]
  const allowed = [0, 1]
  if (allowed.includes(rows) && allowed.includes(columns)) return { rows, columns }
  throw new FxError(
    'shape-mismatch',
    `${cannot} ${height}x${width} to ${size.height}x${size.width}; only one row and one column may be left out`,
  )
}

/**
 * Leaves out the last row and the last column of `[N, H, W, C]` that are beyond `size`: encoders halve an odd side upwards,
 * so that doubled again it is one too many. Layer: `<name>`, only where there is something to leave out.
 *
 * @throws FxError `shape-mismatch` for a side that is neither the same nor one less.
 */
export const crop = (x: SymbolicTensor, { name, size }: { name: string; size: ImageSize }): SymbolicTensor => {
  const { rows, columns } = beyond(x, size, `'${name}' cannot crop`)
  if (rows === 0 && columns === 0) return x
  const cropping: [[number, number], [number, number]] = [
    [0, rows],
    [0, columns],
  ]
  return layers.cropping2D({ name, cropping }).apply(x) as SymbolicTensor
}

/**
 * Joins an encoder's feature to the decoder's, whose last row and column are left out where they are beyond it (`crop`).
 *
 * Layers: `<name>_crop` (only where it crops); `<name>_concat`, or `<name>_skip`, its batch normalisation and activation,
 * and `<name>_add`.
 *
 * @throws FxError `invalid-argument` for an unknown skip, `shape-mismatch` for features of other sizes.
 */
export const joinFeature = (
  x: SymbolicTensor,
  feature: SymbolicTensor,
  { skip = 'concat', name, batchNorm, seed }: BlockOptions & { skip?: Skip },
): SymbolicTensor => {
  oneOf('skip', skip, skips)
  beyond(x, imageSize(feature), `'${name}' cannot join`)
  const cropped = crop(x, { name: `${name}_crop`, size: imageSize(feature) })
  if (skip === 'concat') {
    return layers.concatenate({ name: `${name}_concat` }).apply([cropped, feature]) as SymbolicTensor
  }
  const narrowed = convBatchNorm(feature, { batchNorm, seed, name: `${name}_skip`, filters: x.shape[3]! })
  return layers.add({ name: `${name}_add` }).apply([cropped, narrowed]) as SymbolicTensor
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
