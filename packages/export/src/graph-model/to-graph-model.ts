import { FxError, listed } from '@fx/core'
import type { io } from '@tensorflow/tfjs-core'
import { type Graph, nodeNamed } from '../graph.js'
import { toHalf } from './float16.js'
import { type Constants, type NodeDef, nodeDefs, tensorShape } from './node-defs.js'

export interface GraphModelOptions {
  /**
   * How weights are stored. `float16` halves the file; the weights are widened when loaded, so it is no faster and
   * rounds each of them to 11 bits. Default `float32`.
   */
  weights?: 'float32' | 'float16'
  /** Plain JSON kept in `model.json` under `userDefinedMetadata`. */
  metadata?: io.ModelArtifacts['userDefinedMetadata']
}

/** Collects constants: a `Const` node, an entry of the weights manifest and its bytes for each. */
const createWeights = (float16: boolean) => {
  const nodes: NodeDef[] = []
  const specs: io.WeightsManifestEntry[] = []
  const chunks: Uint8Array[] = []
  const add = (name: string, shape: readonly number[], type: string, dtype: 'float32' | 'int32', bytes: Uint8Array) => {
    nodes.push({ name, op: 'Const', attr: { dtype: { type } } })
    specs.push({ name, shape: [...shape], dtype })
    chunks.push(bytes)
    return name
  }
  const constants: Constants = {
    float: (name, { shape, values }) => {
      // Biases and limits stay whole: they are a fraction of the file and the most sensitive to rounding.
      if (!float16 || shape.length < 2) {
        return add(name, shape, 'DT_FLOAT', 'float32', new Uint8Array(Float32Array.from(values).buffer))
      }
      add(name, shape, 'DT_FLOAT', 'float32', new Uint8Array(Uint16Array.from(values, toHalf).buffer))
      specs.at(-1)!.quantization = {
        dtype: 'float16',
        original_dtype: 'float32',
      } as io.WeightsManifestEntry['quantization']
      return name
    },
    int: (name, values, shape = [values.length]) =>
      add(name, shape, 'DT_INT32', 'int32', new Uint8Array(Int32Array.from(values).buffer)),
  }
  const data = (): ArrayBuffer => {
    const whole = new Uint8Array(chunks.reduce((total, { length }) => total + length, 0))
    let offset = 0
    for (const chunk of chunks) {
      whole.set(chunk, offset)
      offset += chunk.length
    }
    return whole.buffer
  }
  return { constants, nodes, specs, data }
}

/**
 * Writes a graph as a tfjs GraphModel: GraphDef nodes (`_FusedConv2D`, `FusedDepthwiseConv2dNative`, ...), weights and a
 * signature with the graph's public names. Stock `@tensorflow/tfjs-converter` loads it, from memory with
 * `tf.io.fromMemory(artifacts)`. Makes no tensor.
 */
export const toGraphModel = (graph: Graph, options: GraphModelOptions = {}): io.ModelArtifacts => {
  const { weights: format = 'float32', metadata } = options
  if (format !== 'float32' && format !== 'float16') {
    throw new FxError('invalid-argument', `weights is '${format}', allowed are ${listed(['float32', 'float16'])}`)
  }
  const weights = createWeights(format === 'float16')
  const nodes = graph.nodes.flatMap(node => nodeDefs(node, weights.constants))
  const signature = (names: Readonly<Record<string, string>>) =>
    Object.fromEntries(
      Object.entries(names).map(([key, name]) => [
        key,
        { name: `${name}:0`, dtype: 'DT_FLOAT', tensorShape: tensorShape(nodeNamed(graph, name).shape) },
      ]),
    )
  return {
    format: 'graph-model',
    generatedBy: '@fx/export',
    convertedBy: null,
    signature: { inputs: signature(graph.inputs), outputs: signature(graph.outputs) },
    modelTopology: { node: [...weights.nodes, ...nodes], library: {}, versions: { producer: 1 } },
    weightSpecs: weights.specs,
    weightData: weights.data(),
    ...(metadata === undefined ? {} : { userDefinedMetadata: metadata }),
  }
}
