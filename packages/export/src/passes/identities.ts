import { type Pass, rewritten } from '../graph.js'

/** Removes nodes that hand on their input unchanged (dropout, noise and linear activations at inference). */
export const removeIdentities: Pass = graph =>
  rewritten(graph, node => (node.op === 'identity' ? { nodes: [], as: node.inputs[0]! } : undefined))
