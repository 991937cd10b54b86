import { FxError, listed } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { FeatureExtractor } from './extractor.js'
import { convolveFrozen } from './frozen.js'
import { type ExpectedTensor, loadExpected, ownTensors, type WeightsSource } from './parameters.js'

/** AlexNet, VGG-16 and SqueezeNet 1.1, by the names that LPIPS gives them. */
export type TorchvisionNet = 'alex' | 'vgg' | 'squeeze'

interface Convolution {
  /** The torch module. */
  name: string
  from: number
  to: number
  size: number
  stride?: number
  /** Zeros on each side. */
  pad: number
}
type Step =
  | { kind: 'convolution'; layer: Convolution }
  | { kind: 'fire'; squeeze: Convolution; expand1x1: Convolution; expand3x3: Convolution }
  | { kind: 'pool'; size: 2 | 3 }
  | { kind: 'tap'; channels: number }

const convolution = (index: number, from: number, to: number, size = 3, stride = 1, pad = 1): Step => ({
  kind: 'convolution',
  layer: { name: `features.${index}`, from, to, size, stride, pad },
})
const fire = (index: number, from: number, squeeze: number, expand: number): Step => ({
  kind: 'fire',
  squeeze: { name: `features.${index}.squeeze`, from, to: squeeze, size: 1, pad: 0 },
  expand1x1: { name: `features.${index}.expand1x1`, from: squeeze, to: expand, size: 1, pad: 0 },
  expand3x3: { name: `features.${index}.expand3x3`, from: squeeze, to: expand, size: 3, pad: 1 },
})
const pool = (size: 2 | 3): Step => ({ kind: 'pool', size })
const tap = (channels: number): Step => ({ kind: 'tap', channels })

interface Architecture {
  title: string
  steps: Step[]
  smallestSide: number
  /** Whether a pool keeps a last window that hangs over the edge (torch's `ceil_mode`). */
  ceil: boolean
}

/** Taps after each relu that LPIPS reads. Every convolution is followed by a relu. */
const architectures: Record<TorchvisionNet, Architecture> = {
  alex: {
    title: "torchvision's AlexNet",
    smallestSide: 31,
    ceil: false,
    steps: [
      ...[convolution(0, 3, 64, 11, 4, 2), tap(64), pool(3)],
      ...[convolution(3, 64, 192, 5, 1, 2), tap(192), pool(3)],
      ...[convolution(6, 192, 384), tap(384), convolution(8, 384, 256), tap(256), convolution(10, 256, 256), tap(256)],
    ],
  },
  vgg: {
    title: "torchvision's VGG-16",
    smallestSide: 16,
    ceil: false,
    steps: [
      ...[convolution(0, 3, 64), convolution(2, 64, 64), tap(64), pool(2)],
      ...[convolution(5, 64, 128), convolution(7, 128, 128), tap(128), pool(2)],
      ...[convolution(10, 128, 256), convolution(12, 256, 256), convolution(14, 256, 256), tap(256), pool(2)],
      ...[convolution(17, 256, 512), convolution(19, 512, 512), convolution(21, 512, 512), tap(512), pool(2)],
      ...[convolution(24, 512, 512), convolution(26, 512, 512), convolution(28, 512, 512), tap(512)],
    ],
  },
  squeeze: {
    title: "torchvision's SqueezeNet 1.1",
    smallestSide: 17,
    ceil: true,
    steps: [
      ...[convolution(0, 3, 64, 3, 2, 0), tap(64), pool(3)],
      ...[fire(3, 64, 16, 64), fire(4, 128, 16, 64), tap(128), pool(3)],
      ...[fire(6, 128, 32, 128), fire(7, 256, 32, 128), tap(256), pool(3)],
      ...[fire(9, 256, 48, 192), tap(384), fire(10, 384, 48, 192), tap(384)],
      ...[fire(11, 384, 64, 256), tap(512), fire(12, 512, 64, 256), tap(512)],
    ],
  },
}

const convolutionsOf = (step: Step): Convolution[] =>
  step.kind === 'convolution'
    ? [step.layer]
    : step.kind === 'fire'
      ? [step.squeeze, step.expand1x1, step.expand3x3]
      : []

/** Halves the height and width of a map. */
export type Pooling = (map: tf.Tensor4D) => tf.Tensor4D

const maxPooling =
  (size: number, ceil: boolean): Pooling =>
  map => {
    const [, height, width] = map.shape
    // Zeros change no maximum, because they follow a relu.
    const over = (side: number): number => (ceil && (side - size) % 2 !== 0 ? 1 : 0)
    const edges: [number, number][] = [
      [0, 0],
      [0, over(height)],
      [0, over(width)],
      [0, 0],
    ]
    const whole = edges.some(([, after]) => after > 0) ? tf.pad(map, edges) : map
    return tf.maxPool(whole, size, 2, 'valid')
  }

/** ImageNet's statistics for images in [0, 1]. LPIPS's scaling layer is the same for images in [-1, 1]. */
const mean = [0.485, 0.456, 0.406]
const deviation = [0.229, 0.224, 0.225]

/** A trunk with the pooling of one's choice in place of its max pooling; it then takes images of any size. */
export const openTrunk = async (
  net: TorchvisionNet,
  weights: WeightsSource,
  pooling?: Pooling,
): Promise<FeatureExtractor> => {
  if (!Object.hasOwn(architectures, net)) {
    throw new FxError('invalid-argument', `The network must be ${listed(Object.keys(architectures))}, got '${net}'`, {
      details: { net },
    })
  }
  const { title, steps, smallestSide, ceil } = architectures[net]
  const layers = steps.flatMap(convolutionsOf)
  const expected = layers.flatMap(({ name, from, to, size }): ExpectedTensor[] => [
    { name: `${name}.weight`, shape: [to, from, size, size] },
    { name: `${name}.bias`, shape: [to] },
  ])
  const loaded = await loadExpected(title, weights, expected)
  const owned = ownTensors(title, () => ({
    mean: tf.tensor1d(mean),
    deviation: tf.tensor1d(deviation),
    layers: layers.map(({ from, to, size }, at) => ({
      // OIHW to HWIO.
      kernel: tf.transpose(tf.tensor4d(loaded[2 * at]!, [to, from, size, size]), [2, 3, 1, 0]),
      bias: tf.tensor1d(loaded[2 * at + 1]!),
    })),
  }))

  const features = (images: tf.Tensor4D): tf.Tensor4D[] =>
    tf.tidy(() => {
      const parameters = owned.use()
      let next = 0
      const convolve = (x: tf.Tensor4D, { stride = 1, pad }: Convolution): tf.Tensor4D => {
        const weights = parameters.layers[next++]!
        // Of padded convolutions only those of stride 1 keep the size, which is what 'same' says.
        const inner =
          pad > 0 && stride > 1
            ? tf.pad(x, [
                [0, 0],
                [pad, pad],
                [pad, pad],
                [0, 0],
              ])
            : x
        const same = pad > 0 && stride === 1
        return convolveFrozen(inner, { ...weights, activation: 'relu', stride, pad: same ? 'same' : 'valid' })
      }
      const maps: tf.Tensor4D[] = []
      let x: tf.Tensor4D = tf.div(tf.sub(images, parameters.mean), parameters.deviation)
      for (const step of steps) {
        if (step.kind === 'tap') maps.push(x)
        else if (step.kind === 'pool') x = (pooling ?? maxPooling(step.size, ceil))(x)
        else if (step.kind === 'convolution') x = convolve(x, step.layer)
        else {
          const squeezed = convolve(x, step.squeeze)
          x = tf.concat([convolve(squeezed, step.expand1x1), convolve(squeezed, step.expand3x3)], 3)
        }
      }
      return maps
    })

  return {
    name: net,
    channels: steps.flatMap(step => (step.kind === 'tap' ? [step.channels] : [])),
    smallestSide: pooling ? 1 : smallestSide,
    features,
    dispose: owned.dispose,
  }
}

/**
 * The feature maps of a classifier of torchvision, after the relus that LPIPS reads: five of AlexNet and VGG-16, seven of
 * SqueezeNet 1.1. Images in [0, 1] are normalised with ImageNet's mean and deviation. AlexNet takes images from 31
 * pixels a side, VGG-16 from 16, SqueezeNet from 17.
 *
 * The weights are a state dict in torchvision's layout, `features.0.weight` and so on, as `.pth` or safetensors; a
 * classifier's further tensors are left alone. This package ships none.
 *
 * @throws FxError `invalid-argument` for another network, `not-found` for a missing tensor, `shape-mismatch` for one of
 * another shape, `corrupt-file` for a damaged one.
 */
export const torchvisionFeatures = (net: TorchvisionNet, weights: WeightsSource): Promise<FeatureExtractor> =>
  openTrunk(net, weights)
