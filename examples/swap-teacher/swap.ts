/**
 * Replaces the teacher: the same student learns the same effect from StyleGAN2 and from Imagen, and a report sets both
 * beside the truth. From the root: npm run swap (stopped with Ctrl-C, the same command goes on; -- --fresh starts over).
 */
import { relative } from 'node:path'
import { FxError } from '@fx/core'
import { consoleProgress } from '@fx/distill'
import { distillBoth } from './distill-both.js'
import { problemsOf } from './figures.js'
import imagen from './imagen.config.js'
import stylegan2 from './stylegan2.config.js'

const progress = consoleProgress()
const controller = new AbortController()
// Only the first: a second Ctrl-C ends the process at once.
process.once('SIGINT', () => controller.abort())

try {
  const { report, students } = await distillBoth(
    'out/swap-teacher',
    { StyleGAN2: stylegan2, Imagen: imagen },
    { onProgress: progress, signal: controller.signal, fresh: process.argv.includes('--fresh') },
  )
  for (const { name, judged, seconds } of students) {
    const figures = `${(judged.ratio * 100).toFixed(0)} % of the error of doing nothing on ${judged.pairs} drawn portraits`
    console.log(`${name.padEnd(10)} ${figures}, in ${Math.round(seconds)} s`)
  }
  const problems = problemsOf(students)
  for (const problem of problems) console.error(problem)
  if (problems.length > 0) process.exitCode = 1
  console.log(relative(process.cwd(), report))
} catch (error) {
  progress.close()
  if (!FxError.isInstance(error)) throw error
  const stopped = error.code === 'aborted'
  console.error(stopped ? `${error.message}. The same command goes on from here.` : `${error.code}: ${error.message}`)
  process.exitCode = stopped ? 130 : 1
}
