import { type BackendName, prepareBackend } from '@fx/backend'
import { type Graph, measureInterleaved, toGraphModel } from '@fx/export'
import { loadGraphModel } from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'

/** What runs students where they will be used: this process, another one, a page, a phone. */
export interface LatencyEngine {
  /** What was measured, for instance `wasm, 1 thread`; kept with every fit. */
  readonly name: string
  /**
   * How long each graph takes for one image, milliseconds: new values in, all outputs computed, the first read back. Graphs
   * of one call are run in turn, so that their times can be compared. Graphs are plain data: they can be sent to another
   * thread or machine.
   */
  measure(graphs: readonly Graph[], options: { rounds: number }): Promise<number[]>
}

export interface TfjsEngineOptions {
  /** Default `wasm`. */
  backend?: BackendName
  /** Of wasm; fixed by the first that starts it in a process. Default 1. */
  threads?: number
}

const prepared = async (graph: Graph): Promise<{ run: () => Promise<void>; dispose: () => void }> => {
  const model = await loadGraphModel(tf.io.fromMemory(toGraphModel(graph)))
  const inputs = Object.entries(graph.inputs).map(([name, node]) => {
    const shape = graph.nodes.find(each => each.name === node)!.shape.map(size => size ?? 1)
    const size = shape.reduce((a, b) => a * b, 1)
    return { name, shape, values: Float32Array.from({ length: size }, (_, i) => ((i * 37) % 256) / 256) }
  })
  const outputs = Object.keys(graph.outputs)
  return {
    run: async () => {
      const given = Object.fromEntries(inputs.map(({ name, shape, values }) => [name, tf.tensor(values, shape)]))
      const answers = model.execute(given, outputs) as tf.Tensor | tf.Tensor[]
      await (Array.isArray(answers) ? answers[0]! : answers).data()
      tf.dispose([given, answers])
    },
    dispose: () => model.dispose(),
  }
}

/**
 * Measures in this process or page, by tfjs: the graph as `@fx/export` ships it, medians of runs in turn, of which those in
 * slow moments of the machine are left out.
 *
 * @throws FxError `backend-unavailable`.
 */
export const tfjsEngine = async (options: TfjsEngineOptions = {}): Promise<LatencyEngine> => {
  const asked = options.backend ?? 'wasm'
  const { threads } = await prepareBackend({ backend: asked, threads: options.threads ?? 1 })
  return {
    name: `${asked}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    measure: async (graphs, { rounds }) => {
      // Training may have chosen another backend since.
      await prepareBackend({ backend: asked, threads })
      const models: Awaited<ReturnType<typeof prepared>>[] = []
      try {
        for (const graph of graphs) models.push(await prepared(graph))
        const contenders = Object.fromEntries(models.map(({ run }, i) => [`graph ${i}`, run]))
        const times = await measureInterleaved(contenders, { rounds, budgetMs: 60_000 })
        return graphs.map((_, i) => times[`graph ${i}`]!)
      } finally {
        for (const model of models) model.dispose()
      }
    },
  }
}
