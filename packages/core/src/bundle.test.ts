import { expect, test } from 'vitest'
import { type EffectBundleManifest, parseBundleManifest } from './bundle.js'

const manifest: EffectBundleManifest = {
  formatVersion: 1,
  effect: { id: 'glasses', prompt: 'a person with glasses', parameters: {} },
  studentSpecHash: 'abc',
  input: { width: 64, height: 64, range: [0, 1] },
  output: { range: [0, 1] },
  crop: 'centre-square',
  model: { format: 'tfjs-graph-model', path: 'model/model.json' },
  probe: { input: 'probe/input.rgb', output: 'probe/output.rgb', tolerance: 2 },
  card: {
    name: 'Glasses',
    description: '',
    licence: 'CC0-1.0',
    provenance: { teacher: 'portraits', teacherVersion: '1', licences: ['CC0-1.0'] },
    metrics: {},
  },
  files: [{ path: 'model/model.json', size: 3, sha256: 'a'.repeat(64) }],
}

test('a good manifest passes unchanged', () => {
  expect(parseBundleManifest(manifest)).toBe(manifest)
})

test('a newer format is recognised before anything else is judged', () => {
  expect(() => parseBundleManifest({ formatVersion: 2 })).toThrow(expect.objectContaining({ code: 'newer-version' }))
})

test.each([
  ['a path that leaves the bundle', { ...manifest, model: { format: 'tfjs-graph-model', path: '../secret' } }],
  ['an absolute path', { ...manifest, model: { format: 'tfjs-graph-model', path: '/secret' } }],
  ['a missing member', { ...manifest, probe: undefined }],
  ['a bad hash', { ...manifest, files: [{ path: 'a', size: 1, sha256: 'zz' }] }],
  ['nothing', null],
  ['HTML', '<!doctype html>'],
])('%s is refused', (_, value) => {
  expect(() => parseBundleManifest(value)).toThrow(expect.objectContaining({ code: 'corrupt-file' }))
})
