import type { Optimizer, OptimizerState, SavedOptimizerState, UpdateOptions } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'

/** Variables with the optimiser that steps them. */
export interface Learner {
  readonly variables: readonly tf.Variable[]
  /**
   * One step; a variable that the loss did not reach at this step has gradient 0.
   *
   * @returns the global norm of the gradients before clipping, as `Optimizer.update` does.
   */
  update(gradients: tf.NamedTensorMap, options: UpdateOptions): number
  save(): Promise<SavedOptimizerState>
  dispose(): void
}

export const learner = (
  optimizer: Optimizer,
  variables: readonly tf.Variable[],
  saved?: SavedOptimizerState,
): Learner => {
  const state: OptimizerState = optimizer.init(variables, saved)
  return {
    variables,
    update: (gradients, options) =>
      tf.tidy(() =>
        optimizer.update(
          state,
          variables.map(variable => gradients[variable.name] ?? tf.zerosLike(variable)),
          options,
        ),
      ) as number,
    save: () => state.save(),
    dispose: () => state.dispose(),
  }
}
