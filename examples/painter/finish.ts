/**
 * Keeps a finished run: the bundle, what it was trained with, and its curve. From this folder, after `npm start`:
 *
 *   npm run finish
 */
import { fileURLToPath } from 'node:url'
import { writeFileAtomic } from '@fx/core/node'
import { distill } from '@fx/distill'
import config from './fx.config.js'
import { painterBundle } from './painter-bundle.js'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const { folder, student, record, metrics } = await distill(config, {
  onProgress: event => {
    if (event.type === 'note') console.log(event.message)
  },
})
const { teacher, history } = record
const { samples, ...evaluation } = record.evaluation
const result = await painterBundle(at('bundle'))({
  ...student,
  effect: record.effect,
  provenance: {
    teacher: teacher.id,
    teacherVersion: teacher.version,
    licences: [...new Set(teacher.licences.map(({ id }) => id))],
  },
  metrics: {
    heldOutPsnrDb: evaluation.fullImage.psnrDb,
    heldOutSsim: metrics.metrics!.ssim!.student,
    heldOutMae: evaluation.fullImage.studentMae,
    heldOutMaeOfDoingNothing: evaluation.fullImage.doNothingMae,
  },
  probe: { width: 0, height: 0, data: new Uint8Array() },
  folder,
})
console.log(`${result.folder}: ${result.fusedMsP50.toFixed(1)} ms an image`)
student.dispose?.()

const { effect, size, seed, backend, student: architecture, pairs, training, seconds } = record
const facts = { effect, size, seed, backend, teacher, student: architecture, pairs, training, evaluation, seconds }
await writeFileAtomic(at('docs/training.json'), `${JSON.stringify(facts, null, 2)}\n`)
const figures = new Map(history.evaluations.map(({ step, fullImage }) => [step, fullImage.psnrDb.toFixed(2)]))
const steps = new Set([...history.curve.map(({ step }) => step), ...figures.keys()])
const losses = new Map(history.curve.map(({ step, loss }) => [step, loss.toPrecision(4)]))
const rows = [...steps].sort((a, b) => a - b).map(step => [step, losses.get(step), figures.get(step)].join(','))
await writeFileAtomic(at('docs/curve.csv'), `${['step,loss,held_out_psnr_db', ...rows].join('\n')}\n`)
