import { FxError } from '@fx/core'
import type { Constant, GraphNode, Operation, Shape } from '../graph.js'

/** What one call of one layer hands to its converter. */
export interface LayerCall {
  className: string
  /** The layer's own name, for messages. */
  layerName: string
  config: Readonly<Record<string, unknown>>
  weights: readonly Constant[]
  /** Names of the nodes that the layer reads, with their shapes. */
  inputs: readonly string[]
  inputShapes: readonly Shape[]
  outputShape: Shape
  /** Adds a node and gives its name. */
  emit(operation: Operation, inputs: readonly string[], shape: Shape, suffix?: string): string
}

/** Turns one call of a layer into nodes and gives the name of the node that holds its result. */
export type LayerConverter = (call: LayerCall) => string

/** FxError `unsupported` that names the layer, its class and what about it cannot be exported. */
export const unsupported = (
  { className, layerName }: Pick<LayerCall, 'className' | 'layerName'>,
  why: string,
): FxError =>
  new FxError('unsupported', `Cannot export layer '${layerName}' of class ${className}: ${why}`, {
    details: { layer: layerName, className },
  })

export const channelsOf = (call: LayerCall, shape: Shape): number => {
  const channels = shape.at(-1)
  if (channels == null) throw unsupported(call, 'its number of channels is not fixed')
  return channels
}

/** A layer option that is one number for both axes, a pair, or absent. */
export const pair = (value: unknown, fallback: number): [number, number] => {
  if (value == null) return [fallback, fallback]
  if (typeof value === 'number') return [value, value]
  const [rows, columns] = value as number[]
  return [rows!, columns ?? rows!]
}

export const requireChannelsLast = (call: LayerCall): void => {
  const { dataFormat } = call.config
  if (dataFormat != null && dataFormat !== 'channelsLast') {
    throw unsupported(call, `dataFormat is '${dataFormat}', allowed is 'channelsLast'`)
  }
}

/** Collects the nodes of a graph and keeps their names unique. */
export const createNodeList = () => {
  const nodes = new Map<string, GraphNode>()
  return {
    nodes,
    add: (wanted: string, operation: Operation, inputs: readonly string[], shape: Shape): string => {
      // The converter reads 'name:1' as the second output of 'name' and '^name' as a control input.
      const base = wanted.replace(/[:^]/g, '_')
      let name = base
      for (let i = 1; nodes.has(name); i++) name = `${base}_${i}`
      nodes.set(name, { name, inputs, shape, ...operation })
      return name
    },
  }
}
