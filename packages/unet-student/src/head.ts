import { layerSeed } from '@fx/mobilenet-encoder'
import { initializers, layers, type SymbolicTensor } from '@tensorflow/tfjs-layers'

/**
 * How the decoder's last features become the image:
 * - `direct`: `sigmoid(conv(features))`, the whole picture is painted anew;
 * - `residual`: `clip(input + delta)`, the student paints the change;
 * - `alpha`: `(1 - alpha) * input + alpha * paint`, the student paints and decides where (alpha compositing, Porter and
 *   Duff 1984), so that the rest is kept.
 */
export const heads = ['direct', 'residual', 'alpha'] as const
export type Head = (typeof heads)[number]

/** How strongly the first weights answer: `scale` of a variance-scaling initialiser, and the bias. */
interface Start {
  scale: number
  bias: number
}

/** Almost nothing, so that an untrained residual is the identity, and not zero, so that the gradient gets through. */
const quiet: Start = { scale: 1e-3, bias: 0 }
const painting: Start = { scale: 0.1, bias: 0 }
/** Alpha starts near 0.1: the untrained student mostly keeps the image, and its paint still gets a gradient. */
const transparent: Start = { scale: 0.1, bias: -2 }

/**
 * Builds the head on the input image `[N, H, W, 3]` in [0, 1] and features `[N, H, W, C]`; returns `[N, H, W, 3]` in [0, 1].
 * Keras has neither a clip nor a subtraction of one tensor from a constant that tfjs has too: a ReLU with a ceiling and a
 * Rescaling stand in.
 */
export const applyHead = (
  head: Head,
  image: SymbolicTensor,
  features: SymbolicTensor,
  seed: number,
): SymbolicTensor => {
  const conv3x3 = (name: string, filters: number, { scale, bias }: Start, activation?: 'sigmoid') =>
    layers
      .conv2d({
        name,
        filters,
        kernelSize: 3,
        padding: 'same',
        activation,
        biasInitializer: initializers.constant({ value: bias }),
        kernelInitializer: initializers.varianceScaling({
          scale,
          mode: 'fanIn',
          distribution: 'normal',
          seed: layerSeed(seed, name),
        }),
      })
      .apply(features) as SymbolicTensor

  switch (head) {
    case 'direct':
      return conv3x3('output', 3, painting, 'sigmoid')
    case 'residual': {
      const sum = layers.add({ name: 'sum' }).apply([image, conv3x3('delta', 3, quiet)]) as SymbolicTensor
      return layers.reLU({ name: 'output', maxValue: 1 }).apply(sum) as SymbolicTensor
    }
    case 'alpha': {
      const alpha = conv3x3('alpha', 1, transparent, 'sigmoid')
      const paint = conv3x3('paint', 3, painting, 'sigmoid')
      const rest = layers.rescaling({ name: 'rest', scale: -1, offset: 1 }).apply(alpha) as SymbolicTensor
      const kept = layers.multiply({ name: 'kept' }).apply([image, rest]) as SymbolicTensor
      const painted = layers.multiply({ name: 'painted' }).apply([paint, alpha]) as SymbolicTensor
      return layers.add({ name: 'output' }).apply([kept, painted]) as SymbolicTensor
    }
  }
}
