import type { Tensor, Variable } from '@tensorflow/tfjs-core'
import * as tf from '@tensorflow/tfjs-core'
import { batchNormTraining } from './batchNorm.js'
import { moveAverage } from './movingAverage.js'
import { nativeReady } from './native.js'

/** A layer of tfjs-layers, as far as it is used here; that package is not imported. */
interface LayerLike {
  getClassName(): string
  call(inputs: unknown, kwargs: Record<string, unknown>): Tensor | Tensor[]
}

interface LayerVariable {
  read(): Tensor
}

interface BatchNormLayer extends LayerLike {
  axis: number
  momentum: number
  epsilon: number
  gamma?: LayerVariable
  beta?: LayerVariable
  movingMean: LayerVariable
  movingVariance: LayerVariable
}

interface ReluLayer extends LayerLike {
  maxValue?: number
}

const soleTensor = (inputs: unknown): Tensor => (Array.isArray(inputs) ? inputs[0] : inputs) as Tensor

const batchNormCall = (layer: BatchNormLayer) => {
  const original = layer.call.bind(layer)
  return (inputs: unknown, kwargs: Record<string, unknown>): Tensor | Tensor[] => {
    const x = soleTensor(inputs)
    const lastAxis = layer.axis === -1 || layer.axis === x.rank - 1
    // The fused gradient has none of its own, so gradients of gradients take tfjs's operations.
    const firstOrder = tf.engine().state.gradientDepth <= 1
    if (!kwargs?.training || !layer.gamma || !layer.beta || !lastAxis || !firstOrder || !nativeReady()) {
      return original(inputs, kwargs)
    }
    return tf.tidy(() => {
      const { y, mean, variance } = batchNormTraining(x, layer.gamma!.read(), layer.beta!.read(), layer.epsilon)
      moveAverage(layer.movingMean.read() as Variable, mean, 1 - layer.momentum)
      moveAverage(layer.movingVariance.read() as Variable, variance, 1 - layer.momentum)
      mean.dispose()
      variance.dispose()
      return y
    })
  }
}

const relu6Call = (layer: ReluLayer) => {
  const original = layer.call.bind(layer)
  return (inputs: unknown, kwargs: Record<string, unknown>): Tensor | Tensor[] =>
    layer.maxValue === 6 && nativeReady() ? tf.relu6(soleTensor(inputs)) : original(inputs, kwargs)
}

/**
 * Makes the training pass of a LayersModel's batch normalisations and relu6 layers one fused operation each, on wasm with
 * `installTrainingKernels`; the model computes, saves and loads as before, and inference and other backends are untouched.
 * Layers inside nested models are included.
 *
 * @param model a `tf.LayersModel`.
 * @returns a function that restores the layers.
 */
export const fuseLayersForTraining = (model: { layers: readonly unknown[] }): (() => void) => {
  const restore: (() => void)[] = []
  const visit = (layers: readonly unknown[]): void => {
    for (const each of layers) {
      const layer = each as LayerLike & { layers?: readonly unknown[] }
      if (layer.layers) visit(layer.layers)
      const name = layer.getClassName()
      const fused =
        name === 'BatchNormalization'
          ? batchNormCall(layer as BatchNormLayer)
          : name === 'ReLU'
            ? relu6Call(layer as ReluLayer)
            : undefined
      if (!fused || Object.hasOwn(layer, 'call')) continue
      layer.call = fused
      restore.push(() => {
        delete (layer as Partial<LayerLike>).call
      })
    }
  }
  visit(model.layers)
  return () => {
    for (const step of restore.splice(0)) step()
  }
}
