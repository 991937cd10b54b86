import type { EffectBundleManifest } from '@fx/core'
import type { EngineName } from '../engine/types.js'
import type { Size } from '../frame/frame.js'
import type { QualityChange, QualityState } from '../quality/quality.js'
import { createTimes, type Percentiles } from './stage-times.js'

/**
 * What a frame goes through: captured, faces looked for (beside the others), cropped, through the student, composited in
 * the worker, presented on the canvas; `total` is from taking the frame to the painted canvas.
 */
const stages = ['capture', 'detect', 'crop', 'student', 'composite', 'present', 'total'] as const

export type Stage = (typeof stages)[number]

/** How a player does. */
export interface PlayerStats {
  /** Of the last 120 frames, ms. */
  stages: Record<Stage, Percentiles>
  /** Painted. */
  frames: number
  /** Frames of the source that newer ones overtook. */
  dropped: number
  engine: EngineName
  threads: number
  /** Tensors and their bytes in the effect's engine, and the workers of the effect. */
  memory: { tensors: number; bytes: number; workers: number }
  /** Where the student is applied: 'face' only where there is a detector. */
  crop: EffectBundleManifest['crop']
  /** How the effect runs, and the steps of the adaptive quality so far. */
  quality: QualityState & { changes: readonly QualityChange[] }
}

export const createStageTimes = () => {
  const times = Object.fromEntries(stages.map(stage => [stage, createTimes()])) as Record<
    Stage,
    ReturnType<typeof createTimes>
  >
  return {
    add: (ms: Partial<Record<Stage, number>>): void => {
      for (const stage of stages) {
        const value = ms[stage]
        if (value !== undefined) times[stage].add(value)
      }
    },
    /** Painted frames. */
    frames: (): number => times.total.count(),
    summary: (): Record<Stage, Percentiles> =>
      Object.fromEntries(stages.map(stage => [stage, times[stage].summary()])) as Record<Stage, Percentiles>,
  }
}

/** The pixels of a frame that an effect shows, before it is fitted to a canvas. */
export interface FrameInfo extends Size {
  /** From taking the frame to the painted canvas, ms. */
  totalMs: number
}
