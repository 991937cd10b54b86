import type { GradConfig, NamedAttrMap, Tensor } from '@tensorflow/tfjs-core'
import * as tf from '@tensorflow/tfjs-core'
import { counted, layerGradient, recording, requireGradients } from './override.js'
import { correctResizeGradients } from './resize.js'

type SavedGradient = (dy: Tensor, saved: Tensor[], attrs: NamedAttrMap) => Record<string, () => Tensor>

const run = (kernelName: string, inputs: Record<string, Tensor>, attrs: NamedAttrMap): Tensor =>
  tf.engine().runKernel(kernelName, inputs, attrs)

const pick = (attrs: NamedAttrMap, ...names: string[]): NamedAttrMap =>
  Object.fromEntries(names.map(name => [name, attrs[name]!]))

const zeros = (tensor: Tensor) => () => tf.zeros(tensor.shape)

/** Conditions have gradient zero nearly everywhere, in float32 as the tape wants it, whatever their inputs are. */
const conditions: [string, string[]][] = [
  ...[tf.Greater, tf.GreaterEqual, tf.Less, tf.LessEqual, tf.Equal, tf.NotEqual, tf.LogicalAnd, tf.LogicalOr].map(
    (name): [string, string[]] => [name, ['a', 'b']],
  ),
  [tf.LogicalNot, ['x']],
]

const conditionGradient = ([kernelName, inputsToSave]: [string, string[]]) =>
  layerGradient(kernelName, () => ({
    kernelName,
    inputsToSave,
    gradFunc: (_, saved) => Object.fromEntries(inputsToSave.map((name, i) => [name, zeros(saved[i]!)])),
  }))

/**
 * Ops whose gradient is written with their output. The tape records the saved copy of an output before the op itself,
 * so that an outer gradient finds no way from the copy back to the input, and drops its share without a word.
 */
const fromOutput: [string, string[]][] = [
  [tf.Exp, ['x']],
  [tf.Sigmoid, ['x']],
  [tf.Tanh, ['x']],
  [tf.Softmax, ['logits']],
  [tf.Pow, ['a', 'b']],
]

/** The same gradient; when it is to be differentiated itself, with the output computed anew from the saved input. */
const recomputedGradient = ([kernelName, inputsToSave]: [string, string[]]) =>
  layerGradient(kernelName, original => ({
    ...original!,
    inputsToSave,
    outputsToSave: [true],
    gradFunc(dy, saved, attrs) {
      const inputs = Object.fromEntries(inputsToSave.map((name, i) => [name, saved[i]!]))
      const output = recording() ? run(kernelName, inputs, attrs) : saved[inputsToSave.length]!
      return original!.gradFunc(dy, [...saved.slice(0, original!.inputsToSave?.length ?? 0), output], attrs)
    },
  }))

/** elu'(x) = exp(min(x, 0)), without the output and without EluGrad, when it is to be differentiated itself. */
const eluGradient = () =>
  layerGradient(tf.Elu, original => ({
    ...original!,
    inputsToSave: ['x'],
    outputsToSave: [true],
    gradFunc: (dy, [x, y], attrs) =>
      recording() ? { x: () => tf.mul(dy as Tensor, tf.exp(tf.minimum(x!, 0))) } : original!.gradFunc(dy, [y!], attrs),
  }))

/** Gradients of the kernels that compute gradients. All but the masks are linear, so each is made of its siblings. */
const gradientsOfGradients: [string, string[], SavedGradient][] = [
  [
    tf.Conv2DBackpropFilter,
    ['x', 'dy'],
    (ddw, [x, dy], attrs) => {
      const common = pick(attrs, 'strides', 'pad', 'dataFormat', 'dimRoundingMode')
      return {
        x: () => run(tf.Conv2DBackpropInput, { dy: dy!, filter: ddw }, { ...common, inputShape: x!.shape }),
        dy: () => run(tf.Conv2D, { x: x!, filter: ddw }, { ...common, dilations: 1 }),
      }
    },
  ],
  [
    tf.DepthwiseConv2dNativeBackpropInput,
    ['dy', 'filter'],
    (ddx, [dy, filter], attrs) => {
      const common = pick(attrs, 'strides', 'pad', 'dilations', 'dimRoundingMode')
      return {
        dy: () => run(tf.DepthwiseConv2dNative, { x: ddx, filter: filter! }, { ...common, dataFormat: 'NHWC' }),
        filter: () =>
          run(tf.DepthwiseConv2dNativeBackpropFilter, { x: ddx, dy: dy! }, { ...common, filterShape: filter!.shape }),
      }
    },
  ],
  [
    tf.DepthwiseConv2dNativeBackpropFilter,
    ['x', 'dy'],
    (ddw, [x, dy], attrs) => {
      const common = pick(attrs, 'strides', 'pad', 'dilations', 'dimRoundingMode')
      return {
        x: () =>
          run(tf.DepthwiseConv2dNativeBackpropInput, { dy: dy!, filter: ddw }, { ...common, inputShape: x!.shape }),
        dy: () => run(tf.DepthwiseConv2dNative, { x: x!, filter: ddw }, { ...common, dataFormat: 'NHWC' }),
      }
    },
  ],
  [
    tf.AvgPoolGrad,
    ['dy', 'input'],
    (ddx, [, input], attrs) => ({
      dy: () => run(tf.AvgPool, { x: ddx }, pick(attrs, 'filterSize', 'strides', 'pad')),
      input: zeros(input!),
    }),
  ],
  [
    tf.MaxPoolGrad,
    ['dy', 'input', 'output'],
    (ddx, [dy, input, output], { filterSize, strides, pad }) => ({
      dy: () => {
        const attrs = { filterSize: filterSize!, strides: strides!, pad: pad!, includeBatchInIndex: true }
        const [, indices] = tf.engine().runKernel(tf.MaxPoolWithArgmax, { x: input! }, attrs) as Tensor[]
        return tf.reshape(tf.gather(tf.reshape(ddx, [-1]), tf.reshape(indices!, [-1])), dy!.shape)
      },
      input: zeros(input!),
      output: zeros(output!),
    }),
  ],
  ...[
    [tf.ResizeBilinearGrad, tf.ResizeBilinear],
    [tf.ResizeNearestNeighborGrad, tf.ResizeNearestNeighbor],
  ].map(([gradient, resize]): [string, string[], SavedGradient] => [
    gradient!,
    ['dy', 'images'],
    (ddx, [dy, images], attrs) => ({
      dy: () =>
        run(
          resize!,
          { images: ddx },
          { ...pick(attrs, 'alignCorners', 'halfPixelCenters'), size: dy!.shape.slice(1, 3) },
        ),
      images: zeros(images!),
    }),
  ]),
]

const gradientOfGradient = ([kernelName, inputsToSave, gradFunc]: [string, string[], SavedGradient]) =>
  layerGradient(kernelName, () => ({ kernelName, inputsToSave, gradFunc: gradFunc as GradConfig['gradFunc'] }))

const install = counted(() => [
  ...conditions.map(conditionGradient),
  ...fromOutput.map(recomputedGradient),
  eluGradient(),
  ...gradientsOfGradients.map(gradientOfGradient),
  ...correctResizeGradients(),
])

/**
 * Registers the gradients of gradients that tfjs 4.22 lacks (comparisons, and with them every clipped activation
 * and pow's exponent; convolution filters, depthwise convolutions, elu, pooling and resizing) or gets silently wrong
 * (exp, sigmoid, tanh, softmax), as gradient penalties and path-length regularisation need them (StyleGAN2,
 * Karras et al. 2020, section 3.2). For all backends; on wasm convolutions need `installTrainingKernels` too, in either
 * order. First-order gradients keep their cost and their values, except that those of resizing are put right.
 *
 * May be called any number of times; each returned function takes back one call, and the last one restores every
 * original registration.
 *
 * @throws FxError `missing-package` when no package has registered tfjs's own gradients yet.
 */
export const installSecondOrderGradients = (): (() => void) => {
  requireGradients()
  return install()
}
