import { join } from 'node:path'
import { hashJson } from '@fx/core'
import { readGraphModel } from '@fx/export/node'

/**
 * The exported model of an effect bundle without the values of its weights: every node with its name, operation, inputs
 * and attributes, every weight with its shape, and the signature.
 */
export const graphTopology = async (bundle: string): Promise<unknown> => {
  const { modelTopology, weightSpecs, signature } = await readGraphModel(join(bundle, 'model', 'model.json'))
  return { modelTopology, weightSpecs, signature }
}

/** Identity of the topology; equal for bundles that differ in nothing but the values of their weights. */
export const graphTopologyHash = async (bundle: string): Promise<string> => hashJson(await graphTopology(bundle))
