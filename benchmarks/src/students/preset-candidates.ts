import type { HeadKernelSize, Preset, StudentPreset } from '@fx/unet-student'

/** What a preset is chosen from. */
export interface PresetCandidate extends Omit<StudentPreset, 'budgetMmacs' | 'head'> {
  /** Default 3. */
  readonly headKernelSize?: HeadKernelSize
}

/**
 * For each budget students of every family that fit it and use most of it; the decoder's 1x1 head or missing blocks pay
 * for a wider encoder, and the other way round. The first of each is the one that cost alone would choose, the cheapest in
 * milliseconds by multiplication; how long the others may take is told by its latency.
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
  ],
  base: [
    { encoder: { width: 0.5 }, decoder: { width: 0.6, skip: 'add' } },
    { encoder: { width: 0.35 }, decoder: { width: 0.8, skip: 'concat' } },
    {
      encoder: { family: 'v1', width: 0.5, depth: 0.67 },
      decoder: { width: 0.35, skip: 'concat' },
      headKernelSize: 1,
    },
    { encoder: { family: 'v3-small', width: 1 }, decoder: { width: 0.7, skip: 'concat' } },
    { encoder: { family: 'v3-large', width: 0.75 }, decoder: { width: 0.5, skip: 'concat' } },
    { encoder: { family: 'v4-conv-small', width: 0.5 }, decoder: { width: 0.7, skip: 'concat' } },
  ],
  large: [
    { encoder: { width: 1.4 }, decoder: { width: 1, skip: 'add', blocks: 2 } },
    { encoder: { width: 0.75 }, decoder: { width: 1.25, skip: 'concat', blocks: 2 } },
    { encoder: { family: 'v3-large', width: 1 }, decoder: { width: 1.2, skip: 'concat', blocks: 2 } },
  ],
}
