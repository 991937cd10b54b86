import type { Graph } from '@fx/export'
import type { LatencyEngine } from '../src/latency/engine.js'
import { operatorsOf } from '../src/latency/operators.js'

/** A machine whose times are known: for each operator a call, its multiplications at a speed of its kind, and its values. */
export const fakeEngine = (blur: (ms: number) => number = ms => ms): LatencyEngine & { measured: number } => {
  const engine = {
    name: 'fake',
    measured: 0,
    measure: async (graphs: readonly Graph[]): Promise<number[]> => {
      engine.measured += graphs.length
      return graphs.map(graph => {
        const operators = operatorsOf(graph).map(({ kind, features }) => {
          const speed = 1e5 * kind.length
          return 0.01 + features.macs / speed + features.outputs * 2e-6
        })
        return blur(0.5 + operators.reduce((sum, ms) => sum + ms, 0))
      })
    },
  }
  return engine
}
