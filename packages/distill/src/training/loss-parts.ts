import { adam, type SavedOptimizerState } from '@fx/backend/training'
import { loadVariables, saveVariables, type WeightedLoss } from '@fx/losses'
import { type Learner, learner } from './learner.js'

/** The parameters that a loss has of its own, each kind with its optimiser. */
export interface LossParts {
  /** Those that minimise the loss together with the student. */
  partners: Learner
  /** Those that minimise what the loss's adversary makes of the student's answers. */
  adversary: Learner
  /** The tensors of a checkpoint. */
  save(): Promise<Record<string, Float32Array>>
  dispose(): void
}

type Tensors = Readonly<Record<string, Float32Array>>

const PREFIXES = { variables: 'loss', partners: 'loss-adam', adversary: 'adversary-adam' } as const

export const prefixed = (prefix: string, values: Tensors): Record<string, Float32Array> =>
  Object.fromEntries(Object.entries(values).map(([name, each]) => [`${prefix}/${name}`, each]))

/** The tensors under a prefix, without it. */
export const under = (prefix: string, tensors: Tensors): Record<string, Float32Array> =>
  Object.fromEntries(
    Object.entries(tensors).flatMap(([name, values]) =>
      name.startsWith(`${prefix}/`) ? [[name.slice(prefix.length + 1), values]] : [],
    ),
  )

/** An adversary may rest for some steps, so that its optimiser counts its own; the count lies among its tensors. */
const withCount = ({ step, slots }: SavedOptimizerState): Record<string, Float32Array> => ({
  ...slots,
  step: Float32Array.of(step),
})

const counted = ({ step, ...slots }: Record<string, Float32Array>): SavedOptimizerState => ({ step: step![0]!, slots })

/**
 * Finds what a loss has to learn, at its start or as a checkpoint holds it.
 *
 * @throws FxError `resume-mismatch` when the checkpoint's tensors are those of another loss.
 */
export const lossParts = (loss: WeightedLoss, tensors?: Tensors): LossParts => {
  if (tensors) loadVariables(loss, under(PREFIXES.variables, tensors))
  const against = Object.values(loss.adversary?.variables() ?? {})
  const along = Object.values(loss.variables()).filter(variable => !against.includes(variable))
  const saved = (kind: 'partners' | 'adversary') => tensors && counted(under(PREFIXES[kind], tensors))
  const partners = learner(adam(), along, along.length > 0 ? saved('partners') : undefined)
  // A mean of gradients with a short memory, as discriminators want it (Radford et al., ICLR 2016).
  const adversary = learner(adam({ beta1: 0.5 }), against, against.length > 0 ? saved('adversary') : undefined)
  return {
    partners,
    adversary,
    async save() {
      return {
        ...prefixed(PREFIXES.variables, await saveVariables(loss)),
        ...(along.length > 0 && prefixed(PREFIXES.partners, withCount(await partners.save()))),
        ...(against.length > 0 && prefixed(PREFIXES.adversary, withCount(await adversary.save()))),
      }
    },
    dispose() {
      partners.dispose()
      adversary.dispose()
    },
  }
}
