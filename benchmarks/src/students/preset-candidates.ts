import type { HeadKernelSize, Preset, StudentPreset } from '@fx/unet-student'

/** What a preset is chosen from. */
export interface PresetCandidate extends Omit<StudentPreset, 'budgetMmacs' | 'head'> {
  /** Default 3. */
  readonly headKernelSize?: HeadKernelSize
}

/**
 * For each budget students of every family that fit it. A 1x1 head, or a decoder without blocks, pays for a wider encoder
 * or simply takes less time: blocks at full resolution cost far more milliseconds than multiplications. How long a
 * candidate may take is told by the latency of the first of its list. The dearer the budget, the fewer: families that
 * answered worst in the cheaper ones are not tried again.
 */
export const presetCandidates: Record<Preset, readonly PresetCandidate[]> = {
  nano: [
    { encoder: { width: 0.25 }, decoder: { width: 0.35, skip: 'add', resolution: 'half', blocks: 0 } },
    { encoder: { width: 0.25 }, decoder: { width: 0.25, skip: 'concat', blocks: 0 }, headKernelSize: 1 },
    { encoder: { width: 0.25 }, decoder: { width: 0.35, skip: 'concat', resolution: 'half', blocks: 0 } },
    {
      encoder: { width: 0.25 },
      decoder: { width: 0.5, skip: 'add', resolution: 'half', blocks: 0 },
      headKernelSize: 1,
    },
    {
      encoder: { family: 'v1', width: 0.25, depth: 0.67 },
      decoder: { width: 0.25, skip: 'add', resolution: 'half', blocks: 0 },
      headKernelSize: 1,
    },
    {
      encoder: { family: 'v3-small', width: 0.5 },
      decoder: { width: 0.35, skip: 'concat', blocks: 0 },
      headKernelSize: 1,
    },
    {
      encoder: { family: 'v3-small', width: 0.5 },
      decoder: { width: 0.5, skip: 'add', resolution: 'half', blocks: 0 },
    },
    {
      encoder: { family: 'v4-conv-small', width: 0.25 },
      decoder: { width: 0.35, skip: 'concat', resolution: 'half', blocks: 0 },
    },
  ],
  small: [
    { encoder: { width: 0.35 }, decoder: { width: 0.35, skip: 'add' } },
    { encoder: { width: 0.25 }, decoder: { width: 0.5, skip: 'concat' } },
    { encoder: { family: 'v1', width: 0.25 }, decoder: { width: 0.35, skip: 'concat' } },
    { encoder: { family: 'v1', width: 0.35 }, decoder: { width: 0.35, skip: 'concat', blocks: 0 } },
    {
      encoder: { family: 'v1', width: 0.35 },
      decoder: { width: 0.35, skip: 'concat', resolution: 'half' },
      headKernelSize: 1,
    },
    { encoder: { family: 'v3-small', width: 0.75 }, decoder: { width: 0.35, skip: 'concat' } },
    { encoder: { family: 'v4-conv-small', width: 0.35 }, decoder: { width: 0.35, skip: 'concat' } },
    { encoder: { width: 0.25 }, decoder: { width: 0.5, skip: 'concat', blocks: 0 } },
    { encoder: { width: 0.35 }, decoder: { width: 0.5, skip: 'concat', blocks: 0 } },
    { encoder: { width: 0.35 }, decoder: { width: 0.5, skip: 'concat', blocks: [1, 1, 1, 1, 0] } },
    { encoder: { family: 'v3-small', width: 0.75 }, decoder: { width: 0.5, skip: 'concat', blocks: 0 } },
    { encoder: { family: 'v4-conv-small', width: 0.5 }, decoder: { width: 0.5, skip: 'concat', blocks: 0 } },
  ],
  base: [
    { encoder: { width: 0.5 }, decoder: { width: 0.6, skip: 'add' } },
    { encoder: { width: 0.5 }, decoder: { width: 0.7, skip: 'concat', blocks: [1, 1, 1, 1, 0] } },
    { encoder: { family: 'v3-small', width: 1 }, decoder: { width: 0.7, skip: 'concat' } },
    { encoder: { family: 'v4-conv-small', width: 0.5 }, decoder: { width: 0.7, skip: 'concat' } },
    { encoder: { family: 'v4-conv-small', width: 0.75 }, decoder: { width: 1, skip: 'concat', blocks: 0 } },
  ],
  large: [
    { encoder: { width: 1.4 }, decoder: { width: 1, skip: 'add', blocks: 2 } },
    {
      encoder: { family: 'v4-conv-small', width: 1.4 },
      decoder: { width: 1.5, skip: 'concat', blocks: [1, 1, 1, 1, 0] },
    },
    { encoder: { family: 'v4-conv-medium', width: 0.75 }, decoder: { width: 1, skip: 'concat', blocks: 0 } },
  ],
}
