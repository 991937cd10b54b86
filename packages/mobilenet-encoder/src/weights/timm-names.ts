import type { TensorMap, WeightTensor } from '@fx/weights'
import { asStored, type StoredLayers, StoredLayersBuilder, transposed } from './stored.js'

const stem = /^(.*?)conv_stem\.weight$/
const blockPath = /^blocks\.(\d+)\.(\d+)\.(.+)$/

/** Where the network is inside of the checkpoint: timm prefers the averaged weights where a training kept both. */
const prefixOf = (tensors: TensorMap): string | undefined => {
  const prefixes = [...tensors.keys()].flatMap(name => stem.exec(name)?.[1] ?? [])
  return prefixes.find(prefix => prefix.includes('ema')) ?? prefixes[0]
}

const normalisation: Readonly<Record<string, string>> = {
  weight: 'gamma',
  bias: 'beta',
  running_mean: 'moving_mean',
  running_var: 'moving_variance',
}

const separable: Readonly<Record<string, string>> = {
  conv_dw: 'depthwise',
  bn1: 'depthwise^',
  conv_pw: 'project',
  bn2: 'project^',
}
const inverted: Readonly<Record<string, string>> = {
  conv_pw: 'expand',
  bn1: 'expand^',
  conv_dw: 'depthwise',
  bn2: 'depthwise^',
  conv_pwl: 'project',
  bn3: 'project^',
}
const excite: Readonly<Record<string, string>> = {
  'se.conv_reduce': 'squeeze_excite_conv',
  'se.conv_expand': 'squeeze_excite_conv_1',
}

/** timm numbers blocks by stage, Keras through: the running number of each block. */
const runningNumbers = (modules: readonly string[]): Map<string, number> => {
  const paths = modules.flatMap(module => {
    const [, stage, block] = blockPath.exec(module) ?? []
    return stage === undefined ? [] : [[Number(stage), Number(block)] as const]
  })
  const ordered = paths.sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(path => path.join('.'))
  return new Map([...new Set(ordered)].map((path, number) => [path, number]))
}

/** From timm's modules to the names of our layers; those of V4 are timm's own. */
const layerNames = (modules: readonly string[]): ((module: string) => string) => {
  const all = new Set(modules)
  const has = (pattern: RegExp): boolean => modules.some(module => pattern.test(module))
  if (has(/\.(dw_start|dw_mid|pw_exp|pw_proj)\./)) return module => module
  const numbers = runningNumbers(modules)
  const v1 = !has(/\.conv_pwl$/)
  const v3 = has(/^blocks\.\d+\.0\.conv$/)
  const bn = v1 || v3 ? '_bn' : '_BN'
  return module => {
    if (module === 'conv_stem') return v1 ? 'conv1' : v3 ? 'conv' : 'Conv1'
    if (module === 'bn1') return v1 ? 'conv1_bn' : v3 ? 'conv_bn' : 'bn_Conv1'
    const [, stage, block, part] = blockPath.exec(module) ?? []
    if (part === undefined) return module
    const path = `${stage}.${block}`
    const number = numbers.get(path)!
    if (v1) {
      const known = { conv_dw: 'dw', bn1: 'dw^', conv_pw: 'pw', bn2: 'pw^' }[part]
      return known === undefined
        ? module
        : `conv_${known.replace('^', '')}_${number + 1}${known.endsWith('^') ? bn : ''}`
    }
    // The last 1x1 convolution is a stage of its own.
    if (all.has(`blocks.${path}.conv`)) return { conv: 'conv_1', bn1: 'conv_1_bn' }[part] ?? module
    const known = { ...(all.has(`blocks.${path}.conv_pwl`) ? inverted : separable), ...excite }[part]
    const name = v3
      ? `expanded_conv${number === 0 ? '' : `_${number}`}`
      : number === 0
        ? 'expanded_conv'
        : `block_${number}`
    return known === undefined ? module : `${name}_${known.replace('^', bn)}`
  }
}

/** Whether the tensors are those of a network of timm's MobileNets. */
export const isTimm = (tensors: TensorMap): boolean => prefixOf(tensors) !== undefined

/**
 * The weights of one of timm's MobileNets under our names. PyTorch's kernels `[out, in, h, w]` become `[h, w, in, out]`,
 * depthwise ones `[channels, 1, h, w]` become `[h, w, channels, 1]`.
 */
export const timmLayers = (tensors: TensorMap): StoredLayers => {
  const prefix = prefixOf(tensors) ?? ''
  const inside = [...tensors].flatMap(([source, tensor]) => {
    if (!source.startsWith(prefix)) return []
    const name = source.slice(prefix.length)
    const cut = name.lastIndexOf('.')
    return [{ source, tensor, module: name.slice(0, Math.max(cut, 0)), parameter: name.slice(cut + 1) }]
  })
  const modules = [...new Set(inside.map(({ module }) => module))]
  const normalisations = new Set(inside.filter(one => one.parameter === 'running_mean').map(one => one.module))
  const layerOf = layerNames(modules)
  const builder = new StoredLayersBuilder()
  for (const { source, tensor, module, parameter } of inside) {
    // PyTorch counts the batches that a batch normalisation has seen.
    if (parameter === 'num_batches_tracked') continue
    const [weight, stored] = normalisations.has(module)
      ? [normalisation[parameter] ?? parameter, asStored(source, tensor)]
      : convolution(source, tensor, module, parameter)
    builder.add(layerOf(module), weight, stored)
  }
  return builder.layers
}

const convolution = (source: string, tensor: WeightTensor, module: string, parameter: string) => {
  if (parameter !== 'weight' || tensor.shape.length !== 4) return [parameter, asStored(source, tensor)] as const
  const depthwise = /(^|\.)(conv_dw|dw_start\.conv|dw_mid\.conv)$/.test(module)
  return depthwise
    ? (['depthwise_kernel', transposed(source, tensor, [2, 3, 0, 1])] as const)
    : (['kernel', transposed(source, tensor, [2, 3, 1, 0])] as const)
}
