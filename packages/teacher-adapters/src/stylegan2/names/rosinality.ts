import { noiseLayer, type StoredArray, type StoredArrays, unknownName } from './arrays.js'

/** Resampling filters, which are the same in every checkpoint and follow from the architecture. */
const isFilter = (name: string): boolean => name.endsWith('.kernel')

const leaves = new Map([
  ['conv.weight', 'weight'],
  ['conv.modulation.weight', 'affine.weight'],
  ['conv.modulation.bias', 'affine.bias'],
  ['noise.weight', 'noise_strength'],
  ['activate.bias', 'bias'],
  ['bias', 'bias'],
])

const generatorName = (name: string): string | undefined => {
  if (name === 'input.input') return 'synthesis.b4.const'
  const style = /^style\.(\d+)\.(weight|bias)$/.exec(name)
  if (style) return `mapping.fc${Number(style[1]) - 1}.${style[2]}`
  const noise = /^noises\.noise_(\d+)$/.exec(name)
  if (noise) return `synthesis.${noiseLayer(Number(noise[1]))}.noise_const`
  const [, kind, index, rest = ''] = /^(conv1|to_rgb1|convs|to_rgbs)\.(?:(\d+)\.)?(.+)$/.exec(name) ?? []
  const leaf = leaves.get(rest)
  if (kind === undefined || leaf === undefined) return undefined
  const at = Number(index)
  if (kind === 'conv1') return `synthesis.b4.conv1.${leaf}`
  if (kind === 'to_rgb1') return `synthesis.b4.torgb.${leaf}`
  if (kind === 'convs') return `synthesis.b${8 << (at >> 1)}.conv${at % 2}.${leaf}`
  return `synthesis.b${8 << at}.torgb.${leaf}`
}

/** Drops the axes of one element that rosinality adds for broadcasting; the order of the elements stays. */
const generatorShape = (name: string, shape: readonly number[]): readonly number[] => {
  if (name.endsWith('.noise_strength')) return []
  if (name.endsWith('.noise_const')) return shape.slice(-2)
  if (name.endsWith('.torgb.bias')) return shape.slice(1, 2)
  if (name.endsWith('.const') || shape.length === 5) return shape.slice(1)
  return shape
}

/**
 * A generator of rosinality's `stylegan2-pytorch` (names below `g_ema.`) under StyleGAN2-ADA's names and shapes. The two
 * store equal numbers: nothing but names and axes of one element differ. Filters are left out.
 *
 * @param latentAverage the checkpoint's `latent_avg`, which becomes `mapping.w_avg`.
 * @throws FxError `unsupported` for a name that the architecture does not have.
 */
export const generatorFromRosinality = (
  arrays: StoredArrays,
  latentAverage?: StoredArray,
): Map<string, StoredArray> => {
  const renamed = new Map<string, StoredArray>()
  for (const [name, array] of arrays) {
    if (isFilter(name)) continue
    const ada = generatorName(name)
    if (ada === undefined) throw unknownName('rosinality', name)
    renamed.set(ada, { shape: generatorShape(ada, array.shape), load: () => array.load() })
  }
  if (latentAverage) {
    const { shape } = latentAverage
    // A vector, or a matrix of one row.
    const flat = shape.length === 2 && shape[0] === 1 ? shape.slice(1) : shape
    renamed.set('mapping.w_avg', { shape: flat, load: () => latentAverage.load() })
  }
  return renamed
}

/** A block's layers, whose convolution stands behind its filter where there is one. */
const discriminatorLayers = new Map([
  ['conv1.0', 'conv0'],
  ['conv1.1', 'conv0'],
  ['conv2.1', 'conv1'],
  ['conv2.2', 'conv1'],
  ['skip.1', 'skip'],
])

const discriminatorName = (name: string, resolution: number): string | undefined => {
  const [, first] = /^convs\.0\.[01]\.(weight|bias)$/.exec(name) ?? []
  if (first) return `b${resolution}.fromrgb.${first}`
  const [, last, part, leaf] = /^final_(conv|linear)\.([01])\.(weight|bias)$/.exec(name) ?? []
  if (last === 'conv') return `b4.conv.${leaf}`
  if (last === 'linear') return `b4.${part === '0' ? 'fc' : 'out'}.${leaf}`
  const [, block, layer, rest] = /^convs\.(\d+)\.(\w+\.\d)\.(weight|bias)$/.exec(name) ?? []
  const ada = discriminatorLayers.get(layer ?? '')
  return ada === undefined ? undefined : `b${resolution >> (Number(block) - 1)}.${ada}.${rest}`
}

/**
 * A discriminator of rosinality's (names below `d.`) under StyleGAN2-ADA's names. Its resolution is told by its number of
 * blocks. Filters are left out.
 *
 * @throws FxError `unsupported` for a name that the architecture does not have.
 */
export const discriminatorFromRosinality = (arrays: StoredArrays): Map<string, StoredArray> => {
  let blocks = 0
  for (const name of arrays.keys()) blocks = Math.max(blocks, Number(/^convs\.(\d+)\./.exec(name)?.[1] ?? 0))
  const resolution = 4 << blocks
  const renamed = new Map<string, StoredArray>()
  for (const [name, array] of arrays) {
    if (isFilter(name)) continue
    const ada = discriminatorName(name, resolution)
    if (ada === undefined) throw unknownName('rosinality', name)
    renamed.set(ada, array)
  }
  return renamed
}
