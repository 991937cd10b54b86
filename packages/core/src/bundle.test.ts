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

test('a face effect with matte, smaller models and a TensorFlow Lite file passes', () => {
  const rich: EffectBundleManifest = {
    ...manifest,
    output: { range: [0, 1], channels: 4 },
    crop: 'face',
    face: { scale: 2, raise: 0.2 },
    model: { ...manifest.model, smaller: [{ width: 32, height: 32, path: 'model-32x32/model.json' }] },
    tflite: { path: 'model.tflite' },
  }
  expect(parseBundleManifest(rich)).toBe(rich)
})

test('a newer format is recognised before anything else is judged', () => {
  expect(() => parseBundleManifest({ formatVersion: 2 })).toThrow(expect.objectContaining({ code: 'newer-version' }))
})

test.each([
  ['files[0].sha256 is', { ...manifest, files: [{ ...manifest.files[0], sha256: 'zz' }] }],
  ['input.range must be an array of 2', { ...manifest, input: { ...manifest.input, range: [0] } }],
  ['input.range[1] must be a number, but is a string', { ...manifest, input: { ...manifest.input, range: [0, '1'] } }],
  ['input.width must be a whole number above 0, but is 1.5', { ...manifest, input: { ...manifest.input, width: 1.5 } }],
  ['probe must be an object, but is missing', { ...manifest, probe: undefined }],
  ['card.metrics.psnr must be a number', { ...manifest, card: { ...manifest.card, metrics: { psnr: Number.NaN } } }],
  ['crop must be stretch or centre-square or face, but is circle', { ...manifest, crop: 'circle' }],
])('the message names the member: %s', (message, value) => {
  expect(() => parseBundleManifest(value)).toThrow(`Not an effect.json: ${message}`)
})

test.each([
  ['a path that leaves the bundle', { ...manifest, model: { format: 'tfjs-graph-model', path: '../secret' } }],
  ['an absolute path', { ...manifest, model: { format: 'tfjs-graph-model', path: '/secret' } }],
  ['a face crop without its square', { ...manifest, crop: 'face' }],
  ['two channels', { ...manifest, output: { range: [0, 1], channels: 2 } }],
  [
    'a smaller model outside',
    { ...manifest, model: { ...manifest.model, smaller: [{ width: 1, height: 1, path: '/a' }] } },
  ],
  ['a missing member', { ...manifest, probe: undefined }],
  ['a bad hash', { ...manifest, files: [{ path: 'a', size: 1, sha256: 'zz' }] }],
  ['nothing', null],
  ['HTML', '<!doctype html>'],
])('%s is refused', (_, value) => {
  expect(() => parseBundleManifest(value)).toThrow(expect.objectContaining({ code: 'corrupt-file' }))
})
