import { readFile, rm } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { FxError } from '@fx/core'
import { type FoundCandidate, searchStudent } from '@fx/search'
import { portraitEffects, portraits } from '@fx/teacher-adapters/portraits'
import * as tf from '@tensorflow/tfjs-core'
import { loadLayersModel } from '@tensorflow/tfjs-layers'
import { csvOf, machine, tableOf } from '../output.js'

export const SEARCH = 'student-search'

const effect = portraitEffects['hair-colour']
const size = 64
/** A little more than the preset `small` takes. */
const budgetMs = 2.5
/** Far from the seeds of the search, which begin at 0. */
const firstFresh = 20_000_000

/** Portraits that no search has seen: inputs and targets in [0, 1]. */
const freshPairs = async (count: number): Promise<{ input: tf.Tensor4D; target: tf.Tensor4D }> => {
  const seeds = Array.from({ length: count }, (_, i) => firstFresh + i)
  const [inputs, targets]: [number[], number[]] = [[], []]
  for await (const { input, target } of portraits().pairs({ effect, size, seeds })) {
    for (const value of input.data) inputs.push(value / 255)
    for (const value of target.data) targets.push(value / 255)
  }
  const shape: [number, number, number, number] = [count, size, size, 3]
  return { input: tf.tensor4d(inputs, shape), target: tf.tensor4d(targets, shape) }
}

/** The error of a trained student's pictures over that of doing nothing, on pairs that the search has not seen. */
const freshError = async (
  folder: string,
  { input, target }: Awaited<ReturnType<typeof freshPairs>>,
): Promise<number> => {
  const { modelTopology, weightsManifest } = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'))
  const bytes = await readFile(join(folder, 'weights.bin'))
  const weightData = new Uint8Array(bytes).buffer
  const weightSpecs = weightsManifest[0].weights
  const model = await loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData }))
  const [error] = tf.tidy(() => {
    const output = tf.clipByValue(model.predict(input, { batchSize: 16 }) as tf.Tensor4D, 0, 1)
    const [own, nothing] = [output, input].map(image => tf.mean(tf.abs(tf.sub(image, target))))
    return tf.div(own!, nothing!).dataSync()
  })
  model.dispose()
  return error!
}

/** The options of a student, in one cell. */
const described = ({ choice: { encoder, decoder, ...head } }: FoundCandidate): string =>
  [
    ...Object.entries({ ...encoder, ...head }),
    ...Object.entries(decoder).map(([name, value]) => [`decoder ${name}`, value] as const),
  ]
    .map(([name, value]) => `${name} ${value}`)
    .join('; ')

const minutes = (since: number): string => ((performance.now() - since) / 60_000).toFixed(1)

/**
 * Searches on the reference task, pink hair on drawn portraits, for the best student within the budget, and returns CSV and
 * picture. A run that was stopped goes on.
 */
export const measureSearch = async (state: string): Promise<{ csv: string; svg: string }> => {
  console.log(`\nThe best student within ${budgetMs} ms, 64 pixels, wasm, one thread`)
  const start = performance.now()
  const out = join(state, 'search')
  const { best, candidates, latency, run } = await searchStudent({
    out,
    budgetMs,
    size,
    backend: 'wasm',
    effect,
    teacher: () => portraits(),
    pairs: { train: 2000, heldOut: 128 },
    training: { steps: 400, batchSize: 8, learningRate: 8e-3, changedRegionWeight: 4 },
    candidates: 120,
    entrants: 8,
    onProgress: ({ phase, done, total, message }) => {
      if (message)
        console.log(`  ${minutes(start)} min, load ${loadavg()[0]!.toFixed(1)}, ${phase} ${done}/${total}: ${message}`)
    },
  })
  run?.student.dispose?.()
  const took = minutes(start)
  const pairs = await freshPairs(128)
  const finished = candidates.filter(({ finalMs }) => finalMs !== undefined)
  const fresh = new Map<FoundCandidate, number>()
  for (const candidate of finished) {
    fresh.set(candidate, await freshError(join(out, 'runs', candidate.id, 'student'), pairs))
  }
  tf.dispose(pairs)
  const chosen = finished.find(({ id }) => id === best.id)
  if (chosen === undefined) throw new FxError('not-found', `${best.id} is not among the finalists`)
  const rows = finished.map(candidate => [
    candidate.id,
    candidate.mmacs.toFixed(2),
    candidate.predictedMs.toFixed(2),
    candidate.finalMs!.toFixed(2),
    candidate.figures.at(-1)!.figure.toFixed(4),
    fresh.get(candidate)!.toFixed(4),
  ])
  console.log(tableOf(['', 'MMAC', 'predicted ms', 'measured ms', 'held-out error', 'fresh error'], rows))
  const { operators, graphs } = latency.error
  console.log(
    `  budget ${budgetMs} ms; ${best.id} in ${took} minutes; median error of predictions ` +
      `${operators.medianPercent?.toFixed(1)} % (operators), ${graphs.medianPercent?.toFixed(1)} % (students)`,
  )
  const csv = csvOf(
    'student,mmacs,predicted_ms,measured_ms,held_out_error,fresh_error,best,budget_ms,operator_error_percent,student_error_percent,minutes,options,node,cpu',
    rows.map((row, i) => [
      ...row,
      row[0] === best.id,
      budgetMs,
      operators.medianPercent?.toFixed(1) ?? '',
      graphs.medianPercent?.toFixed(1) ?? '',
      took,
      described(finished[i]!),
      ...machine(),
    ]),
  )
  const svg = await readFile(join(out, 'pareto.svg'), 'utf8')
  await rm(state, { recursive: true })
  return { csv, svg }
}
