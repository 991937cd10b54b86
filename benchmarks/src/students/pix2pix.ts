import { hashJson } from '@fx/core'
import { layerSeed } from '@fx/mobilenet-encoder'
import { initializers, input, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers'

export const pix2pixHeads = ['residual', 'direct'] as const

export interface Pix2pixOptions {
  size: number
  width: number
  head: (typeof pix2pixHeads)[number]
  seed: number
}

/**
 * The generator of pix2pix (Isola et al. 2017, appendix 6.1.1) for square images down to one pixel: 4x4 convolutions of
 * stride 2 with batch normalisation and leaky ReLU, transposed ones on the way back, skips by concatenation. The plain
 * UNet that a student is measured against; without its dropout, and with a sigmoid for images in [0, 1].
 *
 * @param width channels of the first layer; 64 in the paper.
 * @param head `residual`: the last layer answers with a change, which is added to the image, so that the network begins
 * near the identity as students do.
 */
export const pix2pixUnet = ({ size, width, head, seed }: Pix2pixOptions) => {
  const apply = (layer: layers.Layer, x: SymbolicTensor | SymbolicTensor[]) => layer.apply(x) as SymbolicTensor
  const convolution = (name: string, filters: number, stddev = 0.02) => ({
    name,
    filters,
    kernelSize: 4,
    strides: 2,
    padding: 'same' as const,
    kernelInitializer: initializers.randomNormal({ mean: 0, stddev, seed: layerSeed(seed, name) }),
  })
  const normal = (x: SymbolicTensor) => apply(layers.batchNormalization({ momentum: 0.9 }), x)
  const depth = Math.log2(size)
  const channels = (level: number) => width * Math.min(8, 2 ** level)

  const image = input({ name: 'input', shape: [size, size, 3] })
  const features: SymbolicTensor[] = []
  let x: SymbolicTensor = image
  for (let level = 0; level < depth; level++) {
    if (level > 0) x = apply(layers.leakyReLU({ alpha: 0.2 }), x)
    x = apply(layers.conv2d(convolution(`down_${level}`, channels(level))), x)
    // The first has none in the paper, and a single pixel has no variance.
    if (level > 0 && level < depth - 1) x = normal(x)
    features.push(x)
  }
  for (let level = depth - 2; level >= 0; level--) {
    const up = layers.conv2dTranspose(convolution(`up_${level}`, channels(level)))
    x = normal(apply(up, apply(layers.reLU(), x)))
    x = apply(layers.concatenate(), [x, features[level]!])
  }
  const direct = head === 'direct'
  const last = layers.conv2dTranspose({
    ...convolution('output', 3, direct ? undefined : 1e-3),
    activation: direct ? 'sigmoid' : undefined,
  })
  const painted = apply(last, apply(layers.reLU(), x))
  const output = direct ? painted : apply(layers.add(), [image, painted])
  const spec = { name: 'pix2pix', size, width, head }
  return { model: model({ inputs: image, outputs: output }), spec, specHash: hashJson(spec) }
}
