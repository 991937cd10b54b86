import type { TensorMap } from '@fx/weights'
import { asStored, type StoredLayers, StoredLayersBuilder } from './stored.js'

const stem = /^(?:(.+)\/)?(?:conv1|Conv1|conv|Conv)$/
const depthwise = /(^conv_dw_\d+|depthwise)$/
const normalisation = /(^bn_|_bn$|_BN$)/

/** Keras 2 named the layers of MobileNetV3 by their place, `expanded_conv_1/expand/BatchNorm`; its files still do. */
const modernName = (layer: string): string =>
  layer
    .replace(/\//g, '_')
    .replace(/BatchNorm/g, 'bn')
    .replace(/Conv/g, 'conv')

/** Keras 3 numbers the weights of a layer in the order in which it makes them. */
const weightName = (layer: string, weight: string): string => {
  const kernel = depthwise.test(layer) ? 'depthwise_kernel' : 'kernel'
  if (weight === 'kernel') return kernel
  const names = normalisation.test(layer) ? ['gamma', 'beta', 'moving_mean', 'moving_variance'] : [kernel, 'bias']
  return /^\d$/.test(weight) ? (names[Number(weight)] ?? weight) : weight
}

const foldedKernel = /^(.+)\/convolution\/merged_input$/
const foldedNormalisation = /^(.+)\/batchnorm(?:_1)?\/(mul|sub)$/

/**
 * The weights of a Keras model, which has our names for V1, V2 and V3: from its own files, or from a tfjs model made of
 * it. Of a GraphModel whose batch normalisations are folded, kernels hold the scale already.
 */
export const kerasLayers = (tensors: TensorMap): StoredLayers => {
  const named = [...tensors].map(([source, tensor]) => {
    const kernel = foldedKernel.exec(source)
    if (kernel) return { source, tensor, layer: kernel[1]!, weight: 'kernel' }
    const folded = foldedNormalisation.exec(source)
    if (folded) return { source, tensor, layer: folded[1]!, weight: folded[2] === 'mul' ? 'scale' : 'offset' }
    const cut = source.lastIndexOf('/')
    return { source, tensor, layer: source.slice(0, Math.max(cut, 0)), weight: source.slice(cut + 1) }
  })
  // A MobileNet inside of another model has that model's name in front.
  const prefixes = new Set(named.flatMap(({ layer }) => stem.exec(layer)?.[1] ?? []))
  const rooted = named.some(({ layer }) => stem.test(layer) && !layer.includes('/'))
  const prefix = !rooted && prefixes.size === 1 ? `${[...prefixes][0]}/` : ''
  const inside = named.map(one => ({
    ...one,
    layer: one.layer.slice(one.layer.startsWith(prefix) ? prefix.length : 0),
  }))
  const old = inside.some(({ layer }) => /\/depthwise(\/|$)/.test(layer))
  const builder = new StoredLayersBuilder()
  for (const { source, tensor, layer, weight } of inside) {
    const name = old ? modernName(layer) : layer
    builder.add(name, weightName(name, weight), asStored(source, tensor))
  }
  return builder.layers
}
