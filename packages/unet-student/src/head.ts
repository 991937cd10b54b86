import { FxError, listed, oneOf, shown } from '@fx/core'
import { layerSeed } from '@fx/mobilenet-encoder'
import { initializers, layers, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { crop, imageSize, isHalf, type Upsampling, upsample } from './decoder-parts.js'

/**
 * How the decoder's last features become the image:
 * - `direct`: `paint(features)`, the whole picture is painted anew;
 * - `residual`: `input + delta`, the student paints the change;
 * - `alpha`: `(1 - alpha) * input + alpha * paint`, the student paints and decides where (alpha compositing, Porter and
 *   Duff 1984), so that the rest is kept.
 */
export const heads = ['direct', 'residual', 'alpha'] as const
export type Head = (typeof heads)[number]

/**
 * What keeps the image in [0, 1], the first being the default:
 * - `sigmoid`;
 * - `hardSigmoid`: `clip(x / 6 + 1/2, 0, 1)`, MobileNetV3's (Howard et al. 2019, section 5.2), not that of Keras 2 and
 *   tfjs; at inference one clip, the rest folds into the convolution;
 * - `clip` to [0, 1];
 * - `linear`: nothing. Values past the ends then still get a gradient, and are clipped where they become bytes. An alpha
 *   stays a hard sigmoid.
 */
export const headActivations = {
  direct: ['sigmoid', 'hardSigmoid', 'linear'],
  residual: ['clip', 'linear'],
  alpha: ['sigmoid', 'hardSigmoid', 'linear'],
} as const satisfies Record<Head, readonly string[]>
export type HeadActivation = (typeof headActivations)[Head][number]

/** Sides of the head's convolutions, the first being the default. */
export const headKernelSizes = [3, 1] as const
export type HeadKernelSize = (typeof headKernelSizes)[number]

export interface HeadOptions {
  /** Default `alpha`. */
  head?: Head
  /** One of `headActivations[head]`. Default: the first. */
  activation?: HeadActivation
  /** Default 3. */
  kernelSize?: HeadKernelSize
  /** How features of half the image's resolution get to the whole. Default `bilinear`. */
  upsampling?: Upsampling
  /**
   * `[N, 1, 1, 1]` from 0 to 1 (`Condition.strength`): scales the change, so that at 0 the output is the image, exactly.
   */
  strength?: SymbolicTensor
  /** Seed of the initial weights. Default 0. */
  seed?: number
}

/** Checks a head and what goes with it, and puts the defaults in place of what is undefined. */
export const checkHead = (head: unknown, activation: unknown, kernelSize: unknown) => {
  const checked = oneOf('head', head ?? 'alpha', heads)
  const size = (kernelSize ?? headKernelSizes[0]) as HeadKernelSize
  if (!headKernelSizes.includes(size)) {
    throw new FxError('invalid-argument', `headKernelSize is ${shown(size)}; it must be ${listed(headKernelSizes)}`)
  }
  const allowed: readonly HeadActivation[] = headActivations[checked]
  const name = `headActivation of the head '${checked}'`
  return { head: checked, activation: oneOf(name, activation ?? allowed[0], allowed), kernelSize: size }
}

/** How strongly the first weights answer: `scale` of a variance-scaling initialiser, and the bias. */
interface Start {
  scale: number
  bias: number
}

/** Almost nothing, so that an untrained residual is the identity, and not zero, so that the gradient gets through. */
const quiet: Start = { scale: 1e-3, bias: 0 }
const painting: Start = { scale: 0.1, bias: 0 }
/** Without an activation to centre it, a painter starts at grey by its bias. */
const paintingGrey: Start = { scale: 0.1, bias: 0.5 }
/** Alpha starts near 0.1: the untrained student mostly keeps the image, and its paint still gets a gradient. */
const transparent: Start = { scale: 0.1, bias: -2 }

const multiply = (name: string, ...factors: SymbolicTensor[]): SymbolicTensor =>
  layers.multiply({ name }).apply(factors) as SymbolicTensor

const add = (name: string, ...terms: SymbolicTensor[]): SymbolicTensor =>
  layers.add({ name }).apply(terms) as SymbolicTensor

/** `(1 - alpha) * image + alpha * paint`. */
const composite = (image: SymbolicTensor, alpha: SymbolicTensor, paint: SymbolicTensor): SymbolicTensor => {
  const rest = layers.rescaling({ name: 'rest', scale: -1, offset: 1 }).apply(alpha) as SymbolicTensor
  return add('output', multiply('kept', image, rest), multiply('painted', paint, alpha))
}

/**
 * Builds the head on the input image `[N, H, W, 3]` in [0, 1] and features `[N, H, W, C]`, or `[N, H / 2, W / 2, C]`, sides
 * rounded up; returns `[N, H, W, 3]`, in [0, 1] unless `linear`. Keras has neither a clip nor a subtraction of one tensor
 * from a constant that tfjs has too: a ReLU with a ceiling and a Rescaling stand in.
 *
 * Layers: `output` is the last; before it `delta` or `paint` and `alpha`. With a strength, `alpha_gated` is where the
 * student acts.
 *
 * @throws FxError `invalid-argument` for an unknown head, kernel size, or an activation that the head does not have,
 * `shape-mismatch` for features of other sizes.
 */
export const applyHead = (
  image: SymbolicTensor,
  features: SymbolicTensor,
  options: HeadOptions = {},
): SymbolicTensor => {
  const { upsampling, strength, seed = 0 } = options
  const { head, activation, kernelSize } = checkHead(options.head, options.activation, options.kernelSize)
  const [size, whole] = [imageSize(features), imageSize(image)]
  const half = size.height !== whole.height || size.width !== whole.width
  if (half && !isHalf(size, whole)) {
    throw new FxError(
      'shape-mismatch',
      `A head cannot paint ${whole.height}x${whole.width} from features of ${size.height}x${size.width}; they must be of the image's size, or half of it, rounded up`,
    )
  }
  const odd = half && (whole.height % 2 === 1 || whole.width % 2 === 1)

  /** A convolution with its activation, brought to the image's resolution; the last of its layers is called `name`. */
  const layer = (name: string, filters: number, { scale, bias }: Start, activation: HeadActivation): SymbolicTensor => {
    const hard = activation === 'hardSigmoid'
    const convName = half ? `${name}_half` : name
    let x = layers
      .conv2d({
        name: hard ? `${convName}_line` : convName,
        filters,
        kernelSize,
        padding: 'same',
        activation: activation === 'sigmoid' ? 'sigmoid' : undefined,
        biasInitializer: initializers.constant({ value: bias }),
        kernelInitializer: initializers.varianceScaling({
          scale,
          mode: 'fanIn',
          distribution: 'normal',
          seed: layerSeed(seed, name),
        }),
      })
      .apply(features) as SymbolicTensor
    if (hard) {
      x = layers.rescaling({ name: `${convName}_sixth`, scale: 1 / 6, offset: 1 / 2 }).apply(x) as SymbolicTensor
      x = layers.reLU({ name: convName, maxValue: 1 }).apply(x) as SymbolicTensor
    }
    if (!half) return x
    return crop(upsample(x, { name: odd ? `${name}_up` : name, upsampling }), { name, size: whole })
  }
  const paint = (name: string) => layer(name, 3, activation === 'linear' ? paintingGrey : painting, activation)

  switch (head) {
    case 'direct':
      return strength === undefined ? paint('output') : composite(image, strength, paint('paint'))
    case 'residual': {
      const delta = layer('delta', 3, quiet, 'linear')
      const change = strength === undefined ? delta : multiply('delta_gated', delta, strength)
      if (activation === 'linear') return add('output', image, change)
      return layers.reLU({ name: 'output', maxValue: 1 }).apply(add('sum', image, change)) as SymbolicTensor
    }
    case 'alpha': {
      const alpha = layer('alpha', 1, transparent, activation === 'sigmoid' ? 'sigmoid' : 'hardSigmoid')
      const acting = strength === undefined ? alpha : multiply('alpha_gated', alpha, strength)
      return composite(image, acting, paint('paint'))
    }
  }
}
