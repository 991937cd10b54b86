/**
 * Judges the miniature Imagen and draws it: docs/imagen-portraits.json, -prompts.png and -edits.png. From the root of the
 * repository:
 *
 *   node --conditions=@fx/source --import tsx packages/miniatures/training/judge-imagen.ts
 */
import { fileURLToPath } from 'node:url'
import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import { writeFileAtomic } from '@fx/core/node'
import { encodePng, type RgbImage } from '@fx/teacher-adapters'
import { imagenTeacher } from '@fx/teacher-adapters/imagen'
import { imageGrid } from '@fx/teacher-adapters/imagen/training'
import { portraitEffects } from '@fx/teacher-adapters/portraits'
import '@tensorflow/tfjs-layers'
import { imagenPortraits } from '../src/imagen.js'
import { EFFECTS } from './attributes.js'
import { type EditVerdict, judgeEdits } from './judge-edits.js'
import { judgePrompts, openPainter, shortPrompts } from './judge-prompts.js'
import { loadProbe, range } from './probe.js'

const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

await prepareBackend({ backend: 'wasm', threads: 1 })
await installTrainingKernels()
const judge = await loadProbe(at('fixtures/probe-judge.safetensors'))
const painter = await openPainter()
const asked = await judgePrompts(painter, judge, 256)
console.warn(asked)
const rows: RgbImage[] = []
for (const prompt of shortPrompts)
  rows.push(
    ...(await painter.paint(
      Array.from({ length: 8 }, () => prompt),
      0,
    )),
  )
painter.dispose()
await writeFileAtomic(at('docs/imagen-portraits-prompts.png'), encodePng(imageGrid(rows, 8)))

const teacher = await imagenTeacher(imagenPortraits)
const edits: Record<string, EditVerdict> = {}
const pairs: RgbImage[] = []
for (const effect of EFFECTS) {
  const verdict = await judgeEdits(teacher, judge, effect, { count: 256, size: 64, firstSeed: 0 })
  edits[effect] = verdict
  console.warn(effect, verdict)
  const request = { effect: portraitEffects[effect], size: 64, seeds: [...range(0, 16)], onSkip: () => {} }
  const shown: RgbImage[] = []
  for await (const { input, target } of teacher.pairs(request)) shown.push(input, target)
  pairs.push(...shown.slice(0, 16))
}
await teacher.dispose?.()
await writeFileAtomic(at('docs/imagen-portraits-edits.png'), encodePng(imageGrid(pairs, 16)))
await writeFileAtomic(at('docs/imagen-portraits.json'), `${JSON.stringify({ prompts: asked, edits }, null, 2)}\n`)
