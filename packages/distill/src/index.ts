export { type ConsoleOptions, type ConsoleProgress, consoleProgress } from './cli/console.js'
export { configNames, loadConfig } from './config/load.js'
export { defineConfig, resolveConfig } from './config/resolve.js'
export type {
  AugmentationOptions,
  DistillConfig,
  Exporter,
  ExportResult,
  PairOptions,
  ResolvedConfig,
  Student,
  Trained,
  TrainingOptions,
} from './config/types.js'
export { cachePairs } from './data/cache.js'
export { writeReport } from './report/report.js'
export { type DistillOptions, type DistillResult, distill, distillUntil } from './run/distill.js'
export type { OnProgress, Phase, ProgressEvent } from './run/progress.js'
export type { Metrics, RunRecord, ShownSample } from './run/record.js'
export type { Evaluation, SampleFigures } from './training/evaluate.js'
export type { MetricFigures } from './training/extra-metrics.js'
export type { CurvePoint, EvaluationPoint, History } from './training/history.js'
