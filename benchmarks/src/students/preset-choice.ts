import { importLayersModel, optimize } from '@fx/export'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { tfjsEngine } from '@fx/search/latency'
import { cost, type Preset, studentPresets, unetStudent } from '@fx/unet-student'
import { csvOf, machine, tableOf } from '../output.js'
import { type PresetCandidate, presetCandidates } from './preset-candidates.js'
import { openTask, type Quality, qualityCells, qualityColumns, qualityHeader, studentRate, task } from './task.js'

export const PRESET_CHOICE = 'preset-choice'

const steps = 500
/** Side of the images for latency, pixels. */
const latencySize = 256
/** Times the first candidate's latency beyond which another is too slow to be chosen. */
const slowest = 1.1
/** How many of a preset's candidates are trained from two starts. */
const finalists = 3
/** Times the lowest perceptual distance up to which others count as equal. */
const sameQuality = 1.05

interface Measured {
  candidate: PresetCandidate
  /** Of one image of `latencySize`, millions. */
  mmacs: number
  /** As it ships, wasm, one thread. */
  ms: number
  /** From one start each; none for a candidate that is too slow. */
  starts: Quality[]
}

const studentOf = ({ encoder, ...rest }: PresetCandidate, inputSize: number, seed: number) =>
  unetStudent({ ...rest, encoder: mobilenetEncoder(encoder), head: 'alpha', inputSize, seed })

const described = ({ encoder, decoder, headKernelSize = 3 }: PresetCandidate): string => {
  const { family = 'v2', width, depth = 1 } = encoder
  const { skip, resolution = 'full', blocks = 1 } = decoder
  const at = `${skip} ${resolution} blocks ${blocks} head ${headKernelSize}x${headKernelSize}`
  return `${family} ${width}${depth === 1 ? '' : ` depth ${depth}`} decoder ${decoder.width} ${at}`
}

/** Costs and latencies of candidates, measured in turn; what slows a machine only ever adds, so the lowest of many medians counts. */
const withLatency = async (candidates: readonly PresetCandidate[]): Promise<Measured[]> => {
  const engine = await tfjsEngine({ backend: 'wasm', threads: 1 })
  const graphs = []
  const mmacs: number[] = []
  for (const candidate of candidates) {
    const student = studentOf(candidate, latencySize, 1)
    mmacs.push(cost(student.model).macs / 1e6)
    graphs.push(optimize(await importLayersModel(student.model)))
    student.dispose()
  }
  const times: number[][] = []
  for (let i = 0; i < 20; i++) times.push(await engine.measure(graphs, { rounds: 5 }))
  return candidates.map((candidate, i) => ({
    candidate,
    mmacs: mmacs[i]!,
    ms: Math.min(...times.map(run => run[i]!)),
    starts: [],
  }))
}

const perceptual = ({ starts }: Measured): number =>
  starts.reduce((sum, start) => sum + start.perceptual, 0) / starts.length

/**
 * Trains those that are quick enough, and the best of them once more from other weights. Results differ by some percent
 * from start to start, so the one chosen is the fastest whose mean perceptual distance is about the lowest.
 */
const chosenOf = async (
  measured: readonly Measured[],
  judge: Awaited<ReturnType<typeof openTask>>['judge'],
): Promise<Measured> => {
  const train = async (each: Measured, seed: number): Promise<void> => {
    const student = (initial: number) => studentOf(each.candidate, task.size, initial)
    each.starts.push(await judge({ student, learningRate: studentRate, steps, seed }))
    console.log(tableOf(['', ...qualityHeader], [[described(each.candidate), ...qualityCells(each.starts.at(-1)!)]]))
  }
  const quick = measured.filter(({ ms }) => ms <= slowest * measured[0]!.ms)
  for (const each of quick) await train(each, 1)
  const best = [...quick].sort((a, b) => perceptual(a) - perceptual(b)).slice(0, finalists)
  for (const each of best) await train(each, 2)
  const lowest = Math.min(...best.map(perceptual))
  const alike = best.filter(each => perceptual(each) <= sameQuality * lowest)
  return alike.reduce((a, b) => (b.ms < a.ms ? b : a))
}

/** Measures what each preset is chosen from, prints tables, and returns the CSV. */
export const measurePresetChoice = async (): Promise<string> => {
  console.log(
    '\nWhat the presets are chosen from: latency at 256 pixels, wasm, one thread; quality on the reference task',
  )
  const { judge, done } = await openTask(PRESET_CHOICE)
  const rows: (string | number | boolean)[][] = []
  for (const preset of Object.keys(studentPresets) as Preset[]) {
    const measured = await withLatency(presetCandidates[preset])
    const latency = measured.map(({ candidate, mmacs, ms }) => [
      described(candidate),
      mmacs.toFixed(1),
      ms.toFixed(1),
      (ms / measured[0]!.ms).toFixed(2),
    ])
    console.log(tableOf([preset, 'MMAC', 'ms', 'times the first'], latency))
    const chosen = await chosenOf(measured, judge)
    console.log(`  ${preset}: ${described(chosen.candidate)}`)
    for (const [i, each] of measured.entries()) {
      const [once, twice] = each.starts
      const cells = once === undefined ? Array(qualityHeader.length).fill('') : qualityCells(once)
      rows.push([preset, ...latency[i]!, ...cells, twice?.perceptual.toFixed(4) ?? '', each === chosen])
      rows.at(-1)!.push(task.size, steps, studentRate, ...machine())
    }
  }
  await done()
  return csvOf(
    `preset,candidate,mmacs_256,wasm_ms_256,times_first,${qualityColumns.replaceAll(/\b(mmacs)\b/g, '$1_64')},perceptual_other_start,chosen,size,steps,learning_rate,node,cpu`,
    rows,
  )
}
