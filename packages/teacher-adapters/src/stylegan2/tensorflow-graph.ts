import type * as tf from '@tensorflow/tfjs-core'
import type { Store } from '../network/store.js'
import { type AttributeValue, type DataType, FLOAT, INT32, type NodeDef, savedModel, TAG } from './saved-model.js'
import { type Attribute, type NodeBackend, watchOperations } from './tensorflow.js'

/** Graphs of a network that are kept: one for each size of batch and kind of noise. */
const MOST_KEPT = 8

const attributeValue = ({ binding }: NodeBackend, { type, value }: Attribute): AttributeValue => {
  if (typeof value === 'object') return { integers: value }
  if (typeof value === 'string') return { text: value }
  if (typeof value === 'boolean') return { boolean: value }
  if (type === binding.TF_ATTR_FLOAT) return { float: value }
  return type === binding.TF_ATTR_TYPE ? { type: value } : { integer: value }
}

const typeOf = ({ dtype }: tf.Tensor): DataType => (dtype === 'int32' ? INT32 : FLOAT)

/** Nodes, the tensors that are to be fed (inputs and what the network keeps), and the node that gives the result. */
interface Recorded {
  nodes: readonly NodeDef[]
  /** The first ones are the inputs. */
  fed: readonly tf.Tensor[]
  output: string
}

const feedName = (i: number): string => `fed_${i}`

/** Runs `compute` once and writes down its operations as a graph, as far as they depend on the inputs. */
const record = (backend: NodeBackend, inputs: readonly tf.Tensor[], compute: () => tf.Tensor): Recorded => {
  const nodes: NodeDef[] = []
  const fed: tf.Tensor[] = []
  /** Of the inputs and of what depends on them, by the identity of their data. */
  const names = new Map<object, string>()
  const feed = (tensor: tf.Tensor): string => {
    const name = feedName(fed.length)
    fed.push(tensor)
    nodes.push({
      name,
      operation: 'Placeholder',
      inputs: [],
      attributes: { dtype: { type: typeOf(tensor) }, shape: { shape: tensor.shape } },
    })
    return name
  }
  /** What depends on no input: the network's own tensors are fed, so that the graph holds no weights; others are small. */
  const constant = (tensor: tf.Tensor): string => {
    if (tensor.kept && tensor.dtype === 'float32') return feed(tensor)
    const name = `constant_${nodes.length}`
    const values = tensor.dataSync()
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice()
    const type = typeOf(tensor)
    const attributes = { dtype: { type }, value: { tensor: { type, shape: tensor.shape, bytes } } }
    nodes.push({ name, operation: 'Const', inputs: [], attributes })
    return name
  }
  const constants = new Map<object, Map<string, string>>()
  const nameOf = (tensor: tf.Tensor): string => {
    const known = names.get(tensor.dataId)
    if (known !== undefined) return known
    // The same values may stand in several shapes.
    const byShape = constants.get(tensor.dataId) ?? new Map<string, string>()
    constants.set(tensor.dataId, byShape)
    const shape = String(tensor.shape)
    const name = byShape.get(shape) ?? constant(tensor)
    byShape.set(shape, name)
    return name
  }
  for (const input of inputs) names.set(input.dataId, feed(input))
  const result = watchOperations((operation, attributes, operands, outputs) => {
    if (!operands.some(({ dataId }) => names.has(dataId))) return
    const name = `node_${nodes.length}`
    nodes.push({
      name,
      operation,
      inputs: operands.map(nameOf),
      attributes: Object.fromEntries(attributes.map(attribute => [attribute.name, attributeValue(backend, attribute)])),
    })
    for (const [i, { dataId }] of outputs.entries()) names.set(dataId, i === 0 ? name : `${name}:${i}`)
  }, compute)
  return { nodes, fed, output: names.get(result.dataId)! }
}

/** A graph that TensorFlow has loaded. */
interface TensorflowGraph {
  run(inputs: readonly tf.Tensor[]): tf.Tensor
  dispose(): void
}

/** TensorFlow loads graphs from folders only. */
const load = (backend: NodeBackend, { nodes, fed, output }: Recorded, inputs: number): TensorflowGraph => {
  const { mkdtempSync, rmSync, writeFileSync } = process.getBuiltinModule('node:fs')
  const { join } = process.getBuiltinModule('node:path')
  const folder = mkdtempSync(join(process.getBuiltinModule('node:os').tmpdir(), 'fx-graph-'))
  let id: number
  try {
    writeFileSync(join(folder, 'saved_model.pb'), savedModel(nodes))
    id = backend.binding.loadSavedModel(folder, TAG)
  } finally {
    rmSync(folder, { recursive: true })
  }
  const names = fed.map((_, i) => `${feedName(i)}:0`).join(',')
  const outputName = output.includes(':') ? output : `${output}:0`
  const own = fed.slice(inputs)
  return {
    run: given => {
      const ids = backend.getInputTensorIds([...given, ...own])
      const [result] = backend.binding.runSavedModel(id, ids, names, outputName)
      return backend.createOutputTensor(result!)
    },
    dispose: () => backend.binding.deleteSavedModel(id),
  }
}

/** Graphs by key, the last used last. */
interface Graphs {
  byKey: Map<string, TensorflowGraph>
  /** False where TensorFlow cannot load what was written: Node before 20.16, no folder for temporary files. */
  load: boolean
  dispose(): void
}

const graphsOf = (store: Store): Graphs =>
  store.resource('graphs', () => {
    const byKey = new Map<string, TensorflowGraph>()
    return {
      byKey,
      load: true,
      dispose() {
        for (const graph of byKey.values()) graph.dispose()
      },
    }
  })

/**
 * What `compute` makes of the inputs, as one graph of TensorFlow, which starts once in place of once for each operation:
 * a generator of 64 pixels takes half the time. It is written down when a key comes for the first time.
 *
 * @param key of everything but the values of the inputs that decides what `compute` does, shapes included.
 * @param compute may use the operations of `tensorflow(store)` alone on what depends on the inputs: others are not seen.
 */
export const asGraph = <T extends tf.Tensor>(
  store: Store,
  backend: NodeBackend,
  key: string,
  inputs: readonly tf.Tensor[],
  compute: () => T,
): T => {
  // What a trainable network derives from its weights is new each time.
  if (store.trainable) return compute()
  const graphs = graphsOf(store)
  if (!graphs.load) return compute()
  const { byKey } = graphs
  let graph = byKey.get(key)
  byKey.delete(key)
  if (graph === undefined) {
    try {
      graph = load(backend, record(backend, inputs, compute), inputs.length)
    } catch {
      graphs.load = false
      return compute()
    }
  }
  byKey.set(key, graph)
  const [oldest] = byKey
  if (byKey.size > MOST_KEPT && oldest) {
    oldest[1].dispose()
    byKey.delete(oldest[0])
  }
  return graph.run(inputs) as T
}
