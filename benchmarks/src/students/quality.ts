import { type Preset, studentPresets, unetStudent } from '@fx/unet-student'
import { csvOf, machine, tableOf } from '../output.js'
import { type Contestant, openTask, qualityCells, qualityColumns, qualityHeader, studentRate, task } from './task.js'
import { plainUnet } from './yardstick.js'

export const QUALITY = 'student-quality'

const steps = 500

const presetStudent = (preset: Preset): Contestant => ({
  student: seed => unetStudent({ preset, inputSize: task.size, seed }),
  learningRate: studentRate,
  steps,
})

/** The presets, and the plain UNet that they are measured against, in the way that `student-yardstick` found best. */
const contestants: readonly (readonly [name: string, contestant: Contestant])[] = [
  ...(Object.keys(studentPresets) as Preset[]).map(preset => [preset, presetStudent(preset)] as const),
  ['pix2pix', plainUnet({ head: 'residual', rate: 2e-3 }, steps)],
]

/** Trains and measures every contestant on the reference task, prints a row for each when it is done, and returns the CSV. */
export const measureQuality = async (): Promise<string> => {
  console.log('\nThe presets and a plain pix2pix UNet on the reference task')
  const { judge, done } = await openTask(QUALITY)
  const { size, pairs, heldOut, batchSize } = task
  const rows: (string | number)[][] = []
  for (const [name, contestant] of contestants) {
    const cells = qualityCells(await judge(contestant))
    console.log(tableOf(['', 'steps', ...qualityHeader], [[name, contestant.steps.toString(), ...cells]]))
    rows.push([
      name,
      ...cells,
      size,
      pairs,
      heldOut,
      contestant.steps,
      batchSize,
      contestant.learningRate,
      ...machine(),
    ])
  }
  await done()
  return csvOf(`student,${qualityColumns},size,pairs,held_out,steps,batch,learning_rate,node,cpu`, rows)
}
