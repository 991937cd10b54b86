import type { Pass } from '../graph.js'

/** Removes nodes that no output depends on. Inputs of the graph stay, since callers feed them. */
export const removeDeadNodes: Pass = graph => {
  const alive = new Set([...Object.values(graph.outputs), ...Object.values(graph.inputs)])
  for (const node of [...graph.nodes].reverse()) {
    if (alive.has(node.name)) for (const input of node.inputs) alive.add(input)
  }
  return { ...graph, nodes: graph.nodes.filter(node => alive.has(node.name)) }
}
