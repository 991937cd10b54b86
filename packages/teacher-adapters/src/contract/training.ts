/** What a training tells while it works. */
export type TrainingEvent =
  /** So much of the work is done; `figures` are the latest, by name. */
  | { type: 'progress'; done: number; total: number; figures?: Record<string, number> }
  /** The training is finished: what it did, in one sentence. */
  | { type: 'done'; message: string }
  /** Something worth knowing. */
  | { type: 'note'; message: string }

export interface TrainingRunOptions {
  /** Another folder than the config's. */
  out?: string
  /** Fires to stop after the step in hand, with a snapshot. */
  signal?: AbortSignal
  onProgress?: (event: TrainingEvent) => void
  /** Start over, whatever an earlier run left in the folder. Default false: go on from its last snapshot. */
  fresh?: boolean
}

/**
 * The training of a teacher, ready to run: what a config file exports for `fx teacher train <kind> --config <file>`. The
 * command knows nothing of the teacher but this.
 *
 * `run` may be killed at any moment and called again: it goes on from its last snapshot. It throws typed `FxError`s:
 * `aborted` once it has stopped at the signal, `resume-mismatch` for a folder that holds a training of another config,
 * `write-failed`, ...
 */
export interface TeacherTraining {
  /** The version of this contract. */
  readonly specificationVersion: 'v1'
  /** What is trained, in kebab-case, for instance `stylegan2`. */
  readonly kind: string
  /** The folder that the training writes to. */
  readonly out: string
  run(options?: TrainingRunOptions): Promise<void>
}
