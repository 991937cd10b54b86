import type { TrainingEvent } from '@fx/teacher-adapters'
import { loadTraining } from '../config/load.js'
import type { OnProgress } from '../run/progress.js'

export interface TeacherFlags {
  config: string
  out?: string
  fresh?: boolean
  quiet?: boolean
}

/** Shows what a teacher's training tells as the one part that it is. */
const shown = (onProgress: OnProgress): ((event: TrainingEvent) => void) => {
  const begin = performance.now()
  let started = false
  return event => {
    if (event.type === 'note') onProgress(event)
    else if (event.type === 'done') {
      onProgress({ ...event, phase: 'training', seconds: (performance.now() - begin) / 1000 })
    } else {
      // Announced with the first step, so that the rate does not count what came before.
      if (!started) onProgress({ type: 'start', phase: 'training' })
      started = true
      onProgress({ type: 'progress', phase: 'training', done: event.done, total: event.total, values: event.figures })
    }
  }
}

/**
 * Runs the training that a config file exports.
 *
 * @throws FxError those of `loadTraining` and of the training.
 */
export const trainTeacher = async (
  kind: string,
  { config, out, fresh }: TeacherFlags,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<void> => {
  const training = await loadTraining(kind, config)
  await training.run({ out, fresh, signal, onProgress: shown(onProgress) })
}
