import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { type LayersModel, model as modelOf, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { isEncoderLayer } from './architecture.js'
import { type Layer, shapesOf } from './match.js'

/** Mean and variance of every channel over all images and pixels, for several maps; the images go one by one. */
const moments = (maps: LayersModel, images: tf.Tensor4D): { mean: tf.Tensor1D; variance: tf.Tensor1D }[] => {
  let sums: tf.Tensor[] = []
  for (let i = 0; i < images.shape[0]; i++) {
    const next = tf.tidy(() => {
      const outputs = maps.predict(tf.slice(images, [i, 0, 0, 0], [1, -1, -1, -1]))
      return (Array.isArray(outputs) ? outputs : [outputs])
        .flatMap(map => [tf.mean(map, [0, 1, 2]), tf.mean(tf.square(map), [0, 1, 2])])
        .map((one, k) => (i === 0 ? one : tf.add(sums[k]!, one)))
    })
    tf.dispose(sums)
    sums = next
  }
  const means = sums.map(sum => tf.div(sum, images.shape[0]) as tf.Tensor1D)
  return Array.from({ length: means.length / 2 }, (_, k) => {
    const mean = means[2 * k]!
    return { mean, variance: tf.relu(tf.sub(means[2 * k + 1]!, tf.square(mean))) as tf.Tensor1D }
  })
}

/**
 * Gives the encoder's batch normalisations the statistics of these images, and the scales and offsets with which the
 * encoder computes in inference what it did before. In training, which normalises by the batch, it then begins near that
 * as well: needed after weights whose batch normalisations were folded (`faceEncoderWeights`), whose statistics nobody
 * knows any more, and useful where images look unlike those that the weights were trained on.
 *
 * @param model the encoder's features, or a whole student, whose other layers stay as they are.
 * @param images `[N, H, W, C]` of the kind and size that training will show, some tens of them.
 * @throws FxError `invalid-argument` for a model without an encoder, `shape-mismatch` for images that it does not take.
 */
export const calibrateBatchNorm = (model: LayersModel, images: tf.Tensor4D): void => {
  const inEncoder = isEncoderLayer(shapesOf(model))
  const layers = model.layers.filter(one => one.getClassName() === 'BatchNormalization' && inEncoder(one.name))
  if (layers.length === 0) {
    throw new FxError(
      'invalid-argument',
      'The model has no layers with the names that mobilenetEncoder gives to its own',
    )
  }
  const image = model.inputs.find(({ shape }) => shape.length === 4)!
  const fits =
    images.rank === 4 &&
    images.shape[0] > 0 &&
    image.shape.every((size, axis) => axis === 0 || size === null || size === images.shape[axis])
  if (!fits) {
    throw new FxError(
      'shape-mismatch',
      `images are [${images.shape.join(', ')}]; the model takes [${image.shape.map(size => size ?? 'any').join(', ')}]`,
    )
  }
  tf.tidy(() => {
    const maps = modelOf({ inputs: image, outputs: layers.map(layer => layer.input as SymbolicTensor) })
    moments(maps, images).forEach((statistics, i) => void write(layers[i]!, statistics))
  })
}

const write = (layer: Layer, { mean, variance }: { mean: tf.Tensor1D; variance: tf.Tensor1D }): void => {
  const epsilon = layer.getConfig().epsilon as number
  const [gamma, beta, oldMean, oldVariance] = layer.weights
  const scale = tf.div(gamma!.read(), tf.sqrt(tf.add(oldVariance!.read(), epsilon)))
  const offset = tf.sub(beta!.read(), tf.mul(oldMean!.read(), scale))
  gamma!.write(tf.mul(scale, tf.sqrt(tf.add(variance, epsilon))))
  beta!.write(tf.add(offset, tf.mul(mean, scale)))
  oldMean!.write(mean)
  oldVariance!.write(variance)
}
