/**
 * Judges the miniature's edits and draws them: docs/stylegan2-portraits-edits.json and .png. From the root of the repository:
 *
 *   node --conditions=@fx/source --import tsx packages/miniatures/training/judge-stylegan2.ts
 */
import { fileURLToPath } from 'node:url'
import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import { writeFileAtomic } from '@fx/core/node'
import { encodePng, type RgbImage } from '@fx/teacher-adapters'
import { portraitEffects } from '@fx/teacher-adapters/portraits'
import { stylegan2Teacher } from '@fx/teacher-adapters/stylegan2'
import { imageGrid } from '@fx/teacher-adapters/stylegan2/training'
import '@tensorflow/tfjs-layers'
import { stylegan2Portraits } from '../src/stylegan2.js'
import { EDITS } from './attributes.js'
import { type EditVerdict, judgeEdits } from './judge-edits.js'
import { loadProbe, range } from './probe.js'

const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

await prepareBackend({ backend: 'wasm', threads: 1 })
await installTrainingKernels()
const judge = await loadProbe(at('fixtures/probe-judge.safetensors'))
const figures: Record<string, EditVerdict> = {}
const rows: RgbImage[] = []
const teacher = await stylegan2Teacher(stylegan2Portraits)
for (const effect of EDITS) {
  const verdict = await judgeEdits(teacher, judge, effect, { count: 256, size: 64, firstSeed: 0 })
  figures[effect] = verdict
  console.warn(effect, verdict)
  const request = { effect: portraitEffects[effect], size: 64, seeds: [...range(0, 8)] }
  for await (const { input, target } of teacher.pairs(request)) rows.push(input, target)
}
await teacher.dispose?.()
await writeFileAtomic(at('docs/stylegan2-portraits-edits.png'), encodePng(imageGrid(rows, 16)))
await writeFileAtomic(at('docs/stylegan2-portraits-edits.json'), `${JSON.stringify(figures, null, 2)}\n`)
