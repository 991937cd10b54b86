import { FxError, numberIn, recordOf, shown } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { input, layers, type SymbolicTensor } from '@tensorflow/tfjs-layers'

/** One parameter of the effect that a student takes at run time, with its range. */
export interface StudentParameter {
  name: string
  min: number
  max: number
}

/** What a student's layers know of the effect's parameters. */
export interface Condition {
  /** The model's second input, `[N, P]`: the values in the order of the effect spec, as they come. */
  readonly input: SymbolicTensor
  /** `[N, P]`, each value moved from its range to [0, 1]: what `film` listens to. */
  readonly values: SymbolicTensor
  /**
   * `[N, 1, 1, 1]`, from 0 to 1: the parameter called `strength`, where there is one whose range begins at 0. The head
   * scales the change by it, so that strength 0 gives the input back exactly.
   */
  readonly strength?: SymbolicTensor
}

/**
 * Checks a list that claims to be a student's parameters.
 *
 * @throws FxError `invalid-argument` naming what is wrong.
 */
export const checkParameters = (value: unknown): StudentParameter[] => {
  if (!Array.isArray(value)) {
    throw new FxError('invalid-argument', `parameters is ${shown(value)}; it must be a list of { name, min, max }`)
  }
  const parameters = value.map((each): StudentParameter => {
    const { name, min, max } = recordOf('A parameter of a student', each, ['name', 'min', 'max'])
    if (typeof name !== 'string' || name === '') {
      throw new FxError('invalid-argument', `The name of a parameter is ${shown(name)}; it must be a text`)
    }
    const lowest = numberIn(`parameters.${name}.min`, min, -1e6, 1e6)
    return { name, min: lowest, max: numberIn(`parameters.${name}.max`, max, lowest, 1e6) }
  })
  const names = parameters.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new FxError('invalid-argument', `parameters has '${twice}' more than once`)
  return parameters
}

/** A dense layer whose weights are arithmetic, not learned: `values * scale + offset`, a matrix and a vector. */
const fixedDense = (
  name: string,
  source: SymbolicTensor,
  kernel: readonly (readonly number[])[],
  bias: readonly number[],
): SymbolicTensor => {
  const layer = layers.dense({ name, units: bias.length, trainable: false })
  const output = layer.apply(source) as SymbolicTensor
  const weights = [tf.tensor2d(kernel.map(row => [...row])), tf.tensor1d([...bias])]
  layer.setWeights(weights)
  tf.dispose(weights)
  // tfjs asks the layer in LayersModel.fit, but the variable in tf.variableGrads and in optimisers.
  for (const weight of layer.weights) (weight.read() as tf.Variable).trainable = false
  return output
}

/**
 * Makes the second input `[N, P]` of a student and what its layers read of it. Its layers are frozen dense ones, so that
 * the model takes the values of an effect spec as they are, whatever their ranges. The model made of them owns the weights.
 *
 * Layers: `parameters`, `parameters_scaled`; with a strength `strength` and `strength_map`.
 *
 * @throws FxError `invalid-argument` for a parameter that is none, or no parameters at all; nothing is allocated then.
 */
export const parameterInput = (parameters: readonly StudentParameter[]): Condition => {
  if (checkParameters(parameters).length === 0) {
    throw new FxError(
      'invalid-argument',
      'A second input needs at least one parameter; leave it out where there is none',
    )
  }
  const symbolic = input({ name: 'parameters', shape: [parameters.length] })
  // A range of one value tells nothing apart.
  const spans = parameters.map(({ min, max }) => max - min || 1)
  const oneHot = (at: number, value: number) => parameters.map((_, i) => (i === at ? value : 0))
  const values = fixedDense(
    'parameters_scaled',
    symbolic,
    spans.map((span, i) => oneHot(i, 1 / span)),
    parameters.map(({ min }, i) => 0 - min / spans[i]!),
  )
  const at = parameters.findIndex(({ name, min, max }) => name === 'strength' && min === 0 && max > 0)
  if (at === -1) return { input: symbolic, values }
  const strength = fixedDense(
    'strength',
    values,
    oneHot(at, 1).map(value => [value]),
    [0],
  )
  const map = layers.reshape({ name: 'strength_map', targetShape: [1, 1, 1] }).apply(strength) as SymbolicTensor
  return { input: symbolic, values, strength: map }
}

/**
 * Feature-wise linear modulation (Perez et al. 2018, "FiLM", section 2.1): every channel of `[N, H, W, C]` times a scale
 * plus a shift, both linear in the condition's values `[N, P]`. Begins as the identity. Where it follows a convolution or
 * its batch normalisation, it folds into them once the parameters are frozen at export.
 *
 * Layers: `<name>_scale`, `<name>_shift` with `_map` each, `<name>_scaled`, `<name>`.
 */
export const film = (x: SymbolicTensor, values: SymbolicTensor, { name }: { name: string }): SymbolicTensor => {
  const channels = x.shape[3]!
  const map = (part: string, biasInitializer: 'ones' | 'zeros'): SymbolicTensor => {
    const dense = layers.dense({ name: part, units: channels, kernelInitializer: 'zeros', biasInitializer })
    return layers
      .reshape({ name: `${part}_map`, targetShape: [1, 1, channels] })
      .apply(dense.apply(values)) as SymbolicTensor
  }
  const scaled = layers.multiply({ name: `${name}_scaled` }).apply([x, map(`${name}_scale`, 'ones')]) as SymbolicTensor
  return layers.add({ name }).apply([scaled, map(`${name}_shift`, 'zeros')]) as SymbolicTensor
}
