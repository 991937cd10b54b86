export { type MeasureOptions, measureInterleaved } from './bundle/measure.js'
export { type ExportOptions, exportGraphModel } from './export-graph-model.js'
export { exportTflite, type TfliteExportOptions } from './export-tflite.js'
export type {
  Constant,
  FusedActivation,
  Graph,
  GraphNode,
  NodeOf,
  Operation,
  Padding,
  Pass,
  Shape,
} from './graph.js'
export { type GraphModelOptions, toGraphModel } from './graph-model/to-graph-model.js'
export { importLayersModel } from './import/layers-model.js'
export { defaultPasses, optimize, tflitePasses } from './optimize.js'
export { type FrozenValues, freezeInput } from './passes/freeze-input.js'
export { type TfliteOptions, toTflite } from './tflite/to-tflite.js'
