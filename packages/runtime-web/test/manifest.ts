import type { EffectBundleManifest } from '@fx/core'

/** A manifest of a student for pictures of 5 x 3, with `more` in place of its members. */
export const testManifest = (more: Partial<EffectBundleManifest> = {}): EffectBundleManifest => ({
  formatVersion: 1,
  effect: { id: 'test', prompt: '', parameters: {} },
  studentSpecHash: '',
  input: { width: 5, height: 3, range: [0, 1] },
  output: { range: [0, 1] },
  crop: 'stretch',
  model: { format: 'tfjs-graph-model', path: 'model.json' },
  probe: { input: 'a', output: 'b', tolerance: 2 },
  card: {
    name: '',
    description: '',
    licence: '',
    provenance: { teacher: '', teacherVersion: '', licences: [] },
    metrics: {},
  },
  files: [],
  ...more,
})
