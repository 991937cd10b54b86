import type { BackendName } from '@fx/backend'
import { type Preset, studentPresets } from '@fx/unet-student'

/** What is measured, and on what. Plain data: it travels to the process that runs it. */
export interface Contender {
  /** Unique in its scenario. */
  name: string
  backend: BackendName
  threads: number
  /** The interpreter of the student, in the inference scenario. */
  model?: 'layers' | 'fused'
  /** This student instead of the scenario's. */
  preset?: Preset
  /** Runs per round relative to the others: a slow contender may sit rounds out. 1 is every round. */
  everyRounds?: number
}

export interface Scenario {
  name: 'inference' | 'presets' | 'training'
  title: string
  /** The contender that the others are divided by. */
  baseline: string
  /** The student, where a contender does not name a preset: V2 encoder of this width. */
  width: number
  size: number
  batch: number
  contenders: readonly Contender[]
}

const presets = Object.keys(studentPresets) as Preset[]

/** One preset on one engine; the slow ones sit rounds out. */
const presetOn = (preset: Preset, backend: BackendName, threads: number, everyRounds?: number): Contender => ({
  name: `${preset} ${backend}${backend === 'wasm' ? ` ${threads} thread${threads > 1 ? 's' : ''}` : ''}`,
  backend,
  threads,
  model: 'fused',
  preset,
  ...(everyRounds && { everyRounds }),
})

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
    name: 'presets',
    title: 'Presets as they ship, 256x256, one image, Float32Array to Float32Array',
    baseline: 'small wasm 1 thread',
    width: 1,
    size: 256,
    batch: 1,
    contenders: presets.flatMap(preset => [
      presetOn(preset, 'wasm', 1),
      presetOn(preset, 'wasm', 2),
      presetOn(preset, 'tfjs-node', 0),
      presetOn(preset, 'cpu', 1, 10),
    ]),
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
