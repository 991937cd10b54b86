import { FxError, listed } from '@fx/core'
import type * as tf from '@tensorflow/tfjs-core'
import type { LayersModel, layers, SymbolicTensor } from '@tensorflow/tfjs-layers'
import type { Constant, Graph, Shape } from '../graph.js'
import { createNodeList, unsupported } from './context.js'
import { layerConverters } from './layers.js'

type Layer = layers.Layer

/** A model inside a model: its layers are taken apart like those of the outer one. */
interface Nested {
  inputs: SymbolicTensor[]
  outputs: SymbolicTensor[]
}

const isNested = (layer: Layer): layer is Layer & Nested =>
  Array.isArray((layer as Partial<Nested>).inputs) && Array.isArray((layer as Partial<Nested>).outputs)

/** The weights of every layer, read once: a shared layer is called several times. */
const readWeights = async (model: LayersModel): Promise<Map<Layer, Constant[]>> => {
  const byLayer = new Map<Layer, Constant[]>()
  const read = async (layer: Layer, tensor: tf.Tensor): Promise<Constant> => {
    const values = Float32Array.from(await tensor.data())
    if (!values.every(Number.isFinite)) {
      throw new FxError('not-finite', `Layer '${layer.name}' has weights that are NaN or infinite`, {
        details: { layer: layer.name },
      })
    }
    return { shape: tensor.shape, values }
  }
  const visit = async (layer: Layer): Promise<void> => {
    if (byLayer.has(layer)) return
    if (isNested(layer)) {
      byLayer.set(layer, [])
      for (const inner of (layer as unknown as LayersModel).layers) await visit(inner)
      return
    }
    const constants: Constant[] = []
    for (const tensor of layer.getWeights()) constants.push(await read(layer, tensor))
    byLayer.set(layer, constants)
  }
  for (const layer of model.layers) await visit(layer)
  return byLayer
}

const className = (layer: Layer): string => layer.getClassName()

/**
 * Reads a `tf.LayersModel` into an inference graph: one or a few plain nodes for each layer, batch norm with its moving
 * statistics, dropout as identity. Models inside the model are taken apart. The weights are copied; the model stays the
 * caller's and no tensor is made.
 *
 * @throws FxError `unsupported` naming the layer and its class, `not-finite` for a weight that is NaN or infinite.
 */
export const importLayersModel = async (model: LayersModel): Promise<Graph> => {
  const weights = await readWeights(model)
  const list = createNodeList()
  const shapes = new Map<string, Shape>()
  const add = (name: string, ...rest: [Parameters<typeof list.add>[1], readonly string[], Shape]): string => {
    const made = list.add(name, ...rest)
    shapes.set(made, rest[2])
    return made
  }

  const convert = (tensor: SymbolicTensor, resolve: (tensor: SymbolicTensor) => string, prefix: string): string => {
    const layer = tensor.sourceLayer
    const inputs = tensor.inputs.map(resolve)
    const layerName = prefix + layer.name
    if (isNested(layer)) {
      const inner = scope(`${layerName}/`, new Map(layer.inputs.map((input, i) => [input.id, inputs[i]!])))
      return inner(layer.outputs[tensor.outputTensorIndex ?? 0]!)
    }
    const converter = layerConverters[className(layer)]
    if (converter === undefined) {
      throw unsupported(
        { className: className(layer), layerName },
        `allowed classes are ${listed(Object.keys(layerConverters))}`,
      )
    }
    return converter({
      className: className(layer),
      layerName,
      config: layer.getConfig() as Record<string, unknown>,
      weights: weights.get(layer) ?? [],
      inputs,
      inputShapes: inputs.map(name => shapes.get(name)!),
      outputShape: tensor.shape,
      emit: (operation, from, shape, suffix) =>
        add(suffix === undefined ? layerName : `${layerName}/${suffix}`, operation, from, shape),
    })
  }

  /** Resolves the symbolic tensors of one model to node names, converting each layer call once. */
  const scope = (prefix: string, known: Map<number, string>) => {
    const resolve = (tensor: SymbolicTensor): string => {
      const name = known.get(tensor.id) ?? convert(tensor, resolve, prefix)
      known.set(tensor.id, name)
      return name
    }
    return resolve
  }

  const known = new Map<number, string>()
  const inputs: Record<string, string> = {}
  for (const [i, input] of model.inputs.entries()) {
    if (input.dtype !== 'float32') {
      throw unsupported(
        { className: 'InputLayer', layerName: input.name },
        `its dtype is '${input.dtype}', allowed is 'float32'`,
      )
    }
    const key = model.inputNames[i] ?? input.name
    const name = add(key, { op: 'input' }, [], input.shape)
    known.set(input.id, name)
    inputs[key] = name
  }
  const resolve = scope('', known)
  const outputs: Record<string, string> = {}
  for (const [i, output] of model.outputs.entries()) {
    outputs[model.outputNames[i] ?? output.sourceLayer.name] = resolve(output)
  }
  return { nodes: [...list.nodes.values()], inputs, outputs }
}
