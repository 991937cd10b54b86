/** The parts of a run, in order. */
export type Phase = 'backend' | 'pairs' | 'training' | 'evaluation' | 'metrics' | 'judge' | 'export' | 'report'

/** What a run tells while it works. */
export type ProgressEvent =
  /** A part begins. */
  | { type: 'start'; phase: Phase }
  /** A part has done so much of its work. */
  | { type: 'progress'; phase: Phase; done: number; total: number; values?: Record<string, number> }
  /** A part is finished: what it did, in one sentence, and how long it took. */
  | { type: 'done'; phase: Phase; message: string; seconds: number }
  /** Something worth knowing that belongs to no part. */
  | { type: 'note'; message: string }

export type OnProgress = (event: ProgressEvent) => void

/** Runs one part and announces its beginning and its end. */
export const announced = async <T>(
  onProgress: OnProgress | undefined,
  phase: Phase,
  work: () => Promise<{ value: T; message: string }>,
): Promise<T> => {
  const start = performance.now()
  onProgress?.({ type: 'start', phase })
  const { value, message } = await work()
  onProgress?.({ type: 'done', phase, message, seconds: (performance.now() - start) / 1000 })
  return value
}
