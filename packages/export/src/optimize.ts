import type { Graph, Pass } from './graph.js'
import { clipInTwo } from './passes/clip-in-two.js'
import { concatEarly } from './passes/concat-early.js'
import { removeDeadNodes } from './passes/dead-nodes.js'
import { affineToDepthwise, foldAffine } from './passes/fold-affine.js'
import { foldPadding } from './passes/fold-padding.js'
import { fuseActivations } from './passes/fuse-activations.js'
import { fuseHardSwish } from './passes/hard-swish.js'
import { removeIdentities } from './passes/identities.js'
import { mergeBranches } from './passes/merge-branches.js'
import { mergeHeads } from './passes/merge-heads.js'
import { narrowLines } from './passes/narrow-lines.js'
import { pairPixels } from './passes/pair-pixels.js'
import { poolMeans } from './passes/pool-means.js'
import { splitConcat } from './passes/split-concat.js'
import { widenMask } from './passes/widen-mask.js'

/** The passes of `optimize`, in order. */
export const defaultPasses: readonly Pass[] = [
  removeIdentities,
  foldAffine,
  mergeBranches,
  poolMeans,
  fuseHardSwish,
  affineToDepthwise,
  foldPadding,
  fuseActivations,
  concatEarly,
  mergeHeads,
  widenMask,
  narrowLines,
  splitConcat,
  pairPixels,
  removeDeadNodes,
]

/** The passes of `exportTflite`, in order: those of `optimize` but for those that pay on tfjs-wasm alone. */
export const tflitePasses: readonly Pass[] = [
  removeIdentities,
  foldAffine,
  mergeBranches,
  poolMeans,
  fuseHardSwish,
  affineToDepthwise,
  foldPadding,
  clipInTwo,
  fuseActivations,
  concatEarly,
  removeDeadNodes,
]

/** Applies passes one after the other; the result computes what `graph` computes, with fewer and faster nodes. */
export const optimize = (graph: Graph, passes: readonly Pass[] = defaultPasses): Graph =>
  passes.reduce((current, pass) => pass(current), graph)
