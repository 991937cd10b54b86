export { type LatencyEngine, type TfjsEngineOptions, tfjsEngine } from './latency/engine.js'
export { type FitLatencyOptions, fitLatency } from './latency/fit.js'
export {
  type KindModel,
  LATENCY_FORMAT_VERSION,
  type LatencyModel,
  type LatencyPrediction,
  parseLatencyModel,
  predictLatency,
} from './latency/model.js'
export { withoutWeights, withRandomWeights } from './latency/operators.js'
