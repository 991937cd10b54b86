import { FxError } from '@fx/core'
import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers'

type Layer = LayersModel['layers'][number]

/** What one layer costs for one image. */
export interface LayerCost {
  name: string
  /** The Keras class, for instance `DepthwiseConv2D`. */
  className: string
  /** Without the batch dimension, for instance `[128, 128, 16]`. */
  outputShape: number[]
  /** Multiply-accumulates. */
  macs: number
  /** All weights of the layer, the moving statistics of batch normalisation included, as Keras counts them. */
  parameters: number
  /** Size of its output. */
  activationBytes: number
  /** What is in memory while it runs: its inputs, its output, and all that a later layer still needs. */
  liveBytes: number
}

/** What a model costs for one image, known before it is trained. */
export interface CostReport {
  macs: number
  parameters: number
  /** Those of the parameters that training changes. */
  trainableParameters: number
  /** The largest `liveBytes`. */
  peakActivationBytes: number
  /** In the order in which they run, the input first. */
  layers: LayerCost[]
}

const bytesPerValue = 4

const product = (values: readonly number[]): number => values.reduce((a, b) => a * b, 1)

/** Layers that multiply nothing, or only value by value, which by custom is not counted. */
const free = new Set([
  'InputLayer',
  'Activation',
  'ReLU',
  'LeakyReLU',
  'BatchNormalization',
  'Add',
  'Multiply',
  'Rescaling',
  'Average',
  'Maximum',
  'Minimum',
  'Concatenate',
  'UpSampling2D',
  'ZeroPadding2D',
  'Cropping2D',
  'AveragePooling2D',
  'MaxPooling2D',
  'GlobalAveragePooling2D',
  'GlobalMaxPooling2D',
  'Flatten',
  'Reshape',
  'Permute',
  'Rescaling',
  'Dropout',
  'SpatialDropout2D',
])

const concrete = (tensor: SymbolicTensor, layer: string): number[] => {
  const shape = tensor.shape.slice(1)
  if (shape.some(side => side === null)) {
    throw new FxError(
      'unsupported',
      `cost() needs a fixed size, but layer '${layer}' gives [${tensor.shape.join(', ')}]`,
    )
  }
  return shape as number[]
}

const layerMacs = (layer: Layer, input: readonly number[], output: readonly number[]): number => {
  const className = layer.getClassName()
  if (free.has(className)) return 0
  const kernel = layer.weights.find(weight => /kernel$/.test(weight.originalName))?.shape as number[] | undefined
  if (kernel !== undefined) {
    const pixels = product(output.slice(0, -1))
    // The kernel is [h, w, in, out], in DepthwiseConv2D [h, w, in, multiplier], in Dense [in, out]: at every output
    // position each of its values is used once.
    if (className === 'Conv2D' || className === 'DepthwiseConv2D' || className === 'Dense')
      return pixels * product(kernel)
    if (className === 'Conv2DTranspose') return product(input.slice(0, -1)) * product(kernel)
  }
  throw new FxError('unsupported', `cost() cannot count the layer '${layer.name}' of class ${className}`)
}

/** Every tensor that `outputs` need, each after those it needs itself: the order in which tfjs runs them. */
const inOrder = (outputs: readonly SymbolicTensor[]): SymbolicTensor[] => {
  const seen = new Set<number>()
  const order: SymbolicTensor[] = []
  const visit = (tensor: SymbolicTensor): void => {
    if (seen.has(tensor.id)) return
    seen.add(tensor.id)
    for (const input of tensor.inputs) visit(input)
    order.push(tensor)
  }
  for (const output of outputs) visit(output)
  return order
}

/**
 * What a model of one-output layers costs for one image (batch 1, float32).
 *
 * `macs` counts convolutions and dense layers exactly, border positions included as if padded, and nothing else, as the
 * papers do. `peakActivationBytes` is found by liveness: the layers run in order, a tensor comes to life when its layer
 * runs and dies after the last layer that reads it; the peak is the largest sum of living tensors. Every layer has an
 * output of its own, as in `LayersModel.predict`; an exported graph, whose batch normalisations and activations are fused
 * into the convolutions, needs less. Weights and a kernel's scratch memory are not in it.
 *
 * @throws FxError `unsupported` for a model without a fixed size, or a layer whose multiplications it cannot count.
 */
export const cost = (model: LayersModel): CostReport => {
  const order = inOrder(model.outputs)
  const lastUse = new Map<number, number>()
  order.forEach((tensor, step) => {
    for (const input of tensor.inputs) lastUse.set(input.id, step)
  })
  for (const output of model.outputs) lastUse.set(output.id, order.length)

  const counted = new Set<string>()
  let living: { id: number; bytes: number }[] = []
  const report = order.map((tensor, step): LayerCost => {
    const layer = tensor.sourceLayer
    const outputShape = concrete(tensor, layer.name)
    const activationBytes = product(outputShape) * bytesPerValue
    living = living.filter(({ id }) => lastUse.get(id)! >= step)
    living.push({ id: tensor.id, bytes: activationBytes })
    const source = tensor.inputs[0]
    const parameters = counted.has(layer.name) ? 0 : layer.countParams()
    counted.add(layer.name)
    return {
      name: layer.name,
      className: layer.getClassName(),
      outputShape,
      macs: layerMacs(layer, source === undefined ? [] : concrete(source, layer.name), outputShape),
      parameters,
      activationBytes,
      liveBytes: living.reduce((sum, { bytes }) => sum + bytes, 0),
    }
  })
  const sum = (of: (layer: LayerCost) => number): number => report.reduce((total, layer) => total + of(layer), 0)
  return {
    macs: sum(layer => layer.macs),
    parameters: sum(layer => layer.parameters),
    trainableParameters: model.trainableWeights.reduce((total, { shape }) => total + product(shape as number[]), 0),
    peakActivationBytes: Math.max(...report.map(layer => layer.liveBytes)),
    layers: report,
  }
}

/**
 * A cost report as a table for a terminal, the totals last. With `top`, only that many layers, those with the most
 * multiply-accumulates, still in the order in which they run.
 */
export const formatCost = (report: CostReport, options: { top?: number } = {}): string => {
  const kept = new Set([...report.layers].sort((a, b) => b.macs - a.macs).slice(0, options.top ?? report.layers.length))
  const cells = (name: string, shape: string, macs: number, parameters: number, bytes: number): string[] => [
    name,
    shape,
    (macs / 1e6).toFixed(3),
    parameters.toLocaleString('en'),
    (bytes / 2 ** 20).toFixed(2),
  ]
  const rows = [
    ['layer', 'output', 'MMAC', 'parameters', 'live MiB'],
    ...report.layers
      .filter(layer => kept.has(layer))
      .map(l => cells(l.name, l.outputShape.join('x'), l.macs, l.parameters, l.liveBytes)),
    cells('total', '', report.macs, report.parameters, report.peakActivationBytes),
  ]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  return rows
    .map(row => row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
    .join('\n')
}
