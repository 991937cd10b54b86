import { csvOf, machine, tableOf } from '../output.js'
import { pix2pixHeads, pix2pixUnet } from './pix2pix.js'
import { type Contestant, openTask, type Quality, qualityCells, qualityColumns, qualityHeader, task } from './task.js'

export const YARDSTICK = 'student-yardstick'

/** Channels with which pix2pix costs about 20 times the preset `small`. */
const wide = 44
/** Channels with which its heads and rates are compared, at an eighth of that. */
const narrow = 16
/** How many of them are tried wide. */
const tried = 2

const rates = [2e-4, 5e-4, 1e-3, 2e-3, 4e-3]
const steps = 500

interface Setting {
  head: (typeof pix2pixHeads)[number]
  rate: number
}

/** The plain UNet that students are measured against. */
export const plainUnet = ({ head, rate }: Setting, steps: number, width = wide): Contestant => ({
  student: seed => pix2pixUnet({ size: task.size, width, head, seed }),
  learningRate: rate,
  steps,
})

/**
 * Trains a narrow plain UNet with either head at several rates on the reference task, then the wide one in the ways that
 * were best, prints each, and returns the CSV.
 */
export const measureYardstick = async (): Promise<string> => {
  console.log('\nThe head and the rate at which a plain pix2pix UNet does best on the reference task')
  const { judge, done } = await openTask(YARDSTICK)
  const rows: (string | number)[][] = []
  const measure = async (setting: Setting, width: number): Promise<Quality> => {
    const quality = await judge(plainUnet(setting, steps, width))
    const cells = [setting.head, setting.rate, ...qualityCells(quality)]
    console.log(tableOf(['width', 'head', 'rate', ...qualityHeader], [[width, ...cells].map(String)]))
    rows.push([width, ...cells, task.size, steps, ...machine()])
    return quality
  }
  const compared: (Setting & Quality)[] = []
  for (const head of pix2pixHeads) {
    for (const rate of rates) compared.push({ head, rate, ...(await measure({ head, rate }, narrow)) })
  }
  compared.sort((a, b) => a.perceptual - b.perceptual)
  for (const setting of compared.slice(0, tried)) await measure(setting, wide)
  await done()
  return csvOf(`width,head,learning_rate,${qualityColumns},size,steps,node,cpu`, rows)
}
