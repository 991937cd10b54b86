import type { BackendName } from '@fx/backend'

/** What is measured, and on what. Plain data: it travels to the process that runs it. */
export interface Contender {
  /** Unique in its scenario. */
  name: string
  backend: BackendName
  threads: number
  /** The interpreter of the student, in the inference scenario. */
  model?: 'layers' | 'fused'
  /** Runs per round relative to the others: a slow contender may sit rounds out. 1 is every round. */
  everyRounds?: number
}

export interface Scenario {
  name: 'inference' | 'training'
  title: string
  /** The contender that the others are divided by. */
  baseline: string
  /** The student: V2 encoder of this width. */
  width: number
  size: number
  batch: number
  contenders: readonly Contender[]
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'inference',
    title: 'Student, width 0.5, 256x256, one image, Float32Array to Float32Array',
    baseline: 'layers wasm 1 thread',
    width: 0.5,
    size: 256,
    batch: 1,
    contenders: [
      { name: 'layers wasm 1 thread', backend: 'wasm', threads: 1, model: 'layers' },
      { name: 'fused wasm 1 thread', backend: 'wasm', threads: 1, model: 'fused' },
      { name: 'layers wasm 2 threads', backend: 'wasm', threads: 2, model: 'layers' },
      { name: 'fused wasm 2 threads', backend: 'wasm', threads: 2, model: 'fused' },
      { name: 'layers tfjs-node', backend: 'tfjs-node', threads: 0, model: 'layers' },
      { name: 'fused tfjs-node', backend: 'tfjs-node', threads: 0, model: 'fused' },
    ],
  },
  {
    name: 'training',
    title: 'Training step (forward, backward, Adam), width 0.5, batch 4, 64x64',
    baseline: 'cpu',
    width: 0.5,
    size: 64,
    batch: 4,
    contenders: [
      { name: 'cpu', backend: 'cpu', threads: 1, everyRounds: 10 },
      { name: 'wasm 1 thread', backend: 'wasm', threads: 1 },
      { name: 'wasm 2 threads', backend: 'wasm', threads: 2 },
      { name: 'tfjs-node', backend: 'tfjs-node', threads: 0 },
    ],
  },
]
