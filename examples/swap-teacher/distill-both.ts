import { join, resolve } from 'node:path'
import { writeFileAtomic } from '@fx/core/node'
import { type DistillConfig, type DistillOptions, distill } from '@fx/distill'
import { csvOf, type FinishedRun, figuresOf, type StudentFigures } from './figures.js'
import { swapPage } from './page.js'

/**
 * Distils a student from each teacher, one after the other, and sets the students side by side in `report.html`,
 * `figures.json` and `figures.csv`. A run that is finished is not computed again, one that was stopped goes on.
 *
 * @param out folder of the comparison; each run has its own, which its config names.
 * @param configs by the name of the teacher. Each has a judge and writes an effect bundle.
 */
export const distillBoth = async (
  out: string,
  configs: Readonly<Record<string, DistillConfig>>,
  options: DistillOptions = {},
): Promise<{ report: string; students: StudentFigures[] }> => {
  const runs: FinishedRun[] = []
  for (const [name, config] of Object.entries(configs)) {
    options.onProgress?.({ type: 'note', message: `\nThe teacher is ${name}:` })
    const { folder, record, student } = await distill(config, options)
    student.dispose?.()
    runs.push({ name, folder, record })
  }
  const students = await Promise.all(runs.map(figuresOf))
  const report = join(resolve(out), 'report.html')
  await writeFileAtomic(report, await swapPage(runs, students))
  await writeFileAtomic(join(out, 'figures.csv'), csvOf(students))
  await writeFileAtomic(join(out, 'figures.json'), `${JSON.stringify({ students }, null, 2)}\n`)
  return { report, students }
}
