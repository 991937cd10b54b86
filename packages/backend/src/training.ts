export { type AdamOptions, adam, type Optimizer, type OptimizerState, type UpdateOptions } from './training/adam.js'
export { fuseLayersForTraining } from './training/fuseLayers.js'
export { installTrainingKernels } from './training/install.js'
export {
  exponentialMovingAverage,
  type MovingAverage,
  type MovingAverageState,
} from './training/movingAverage.js'
export { installSecondOrderGradients } from './training/secondOrder.js'
export type { SavedOptimizerState } from './training/slots.js'
