import type { Contender, Scenario } from './scenario.js'
import type { GanContender } from './stylegan2/scenario.js'

/** What a process is to measure. Plain data. */
export type Work =
  | { kind: Scenario['name']; scenario: Scenario; contender: Contender }
  | { kind: 'stylegan2-generation' | 'stylegan2-training'; contender: GanContender }

/** What a process has ready to be timed. */
export interface TaskInfo {
  name: string
  /** The most bytes in tensors at once while it runs, where that was measured. */
  peakTensorBytes?: number
}

/** What else a process knows about its contender. */
export interface Facts {
  /** The most memory that the process held until its generator or trainer had run, bytes. */
  peakRssBytes?: number
  /** Million multiplications and additions in the convolutions of one image. */
  megaMacs?: number
}

/** To the process of a contender. */
export type Request = { kind: 'prepare'; work: Work } | { kind: 'run'; task: string }

/** From the process of a contender. */
export type Reply =
  | { kind: 'ready'; description: string; tasks: TaskInfo[]; facts: Facts }
  | { kind: 'ran'; ms: number }
  | { kind: 'failed'; code?: string; message: string }
