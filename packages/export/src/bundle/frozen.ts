import { type EffectSpec, FxError, listed, numberIn } from '@fx/core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import type { ExportOptions } from '../export-graph-model.js'

/** Values of effect parameters that are fixed in an export, by name. */
export type FrozenParameters = Readonly<Record<string, number>>

/** What freezing means to a bundle. */
export interface FrozenEffect {
  /** The effect as the LayersModel is asked for it: frozen parameters have their value as the default. */
  asked: EffectSpec
  /** The effect as it ships: without the frozen parameters. */
  shipped: EffectSpec
  freeze: ExportOptions['freeze']
}

/**
 * Fixes parameters of an effect for a model whose second input they are.
 *
 * @throws FxError `invalid-argument` for a parameter that the effect or the model does not take, or a value out of range.
 */
export const freezeEffect = (model: LayersModel, effect: EffectSpec, frozen: FrozenParameters = {}): FrozenEffect => {
  const names = Object.keys(effect.parameters)
  const input = model.inputNames[1]
  for (const [name, value] of Object.entries(frozen)) {
    const range = effect.parameters[name]
    if (range === undefined) {
      throw new FxError(
        'invalid-argument',
        `freeze names '${name}'; the parameters of effect '${effect.id}' are ${listed(names)}`,
      )
    }
    if (input === undefined) {
      throw new FxError('invalid-argument', `freeze names '${name}', but this model takes no parameters`)
    }
    numberIn(`freeze.${name}`, value, range.min, range.max)
  }
  const entries = Object.entries(effect.parameters)
  const asked = entries.map(([name, range]) => [name, { ...range, default: frozen[name] ?? range.default }])
  return {
    asked: { ...effect, parameters: Object.fromEntries(asked) },
    shipped: { ...effect, parameters: Object.fromEntries(entries.filter(([name]) => !Object.hasOwn(frozen, name))) },
    freeze: input === undefined ? undefined : { [input]: names.map(name => frozen[name]) },
  }
}
