import { layers, type SymbolicTensor } from '@tensorflow/tfjs-layers'

/** What a block applies to its features. `hardSwish` is MobileNetV3's `x * relu6(x + 3) / 6`. */
export const activations = ['relu', 'relu6', 'hardSwish', 'linear'] as const
export type Activation = (typeof activations)[number]

/**
 * MobileNetV3's hard sigmoid `relu6(x + 3) / 6` (Howard et al. 2019, section 5.2), of any shape. The one that tfjs calls
 * 'hardSigmoid' has another slope. Written as `min(relu(x / 6 + 1/2), 1)`, it is two layers instead of three.
 *
 * Layers: `<name>_line`, `<name>`.
 */
export const hardSigmoid = (input: SymbolicTensor, name: string): SymbolicTensor => {
  const line = layers.rescaling({ name: `${name}_line`, scale: 1 / 6, offset: 0.5 }).apply(input) as SymbolicTensor
  return layers.reLU({ name, maxValue: 1 }).apply(line) as SymbolicTensor
}

/**
 * An activation of any shape. Layers: `<name>_relu` for both rectifiers; `<name>_gate_line`, `<name>_gate` and
 * `<name>_hard_swish` for `hardSwish`; none for `linear`.
 */
export const activate = (input: SymbolicTensor, activation: Activation, name: string): SymbolicTensor => {
  switch (activation) {
    case 'linear':
      return input
    case 'relu':
      return layers.reLU({ name: `${name}_relu` }).apply(input) as SymbolicTensor
    case 'relu6':
      return layers.reLU({ name: `${name}_relu`, maxValue: 6 }).apply(input) as SymbolicTensor
    case 'hardSwish':
      return layers
        .multiply({ name: `${name}_hard_swish` })
        .apply([input, hardSigmoid(input, `${name}_gate`)]) as SymbolicTensor
  }
}
