import { FxError, integerIn, seededRandom } from '@fx/core'
import type { Graph } from '@fx/export'
import { throwIfAborted } from '../abort.js'
import type { LatencyEngine } from './engine.js'
import { median, nonNegativeLeastSquares } from './least-squares.js'
import {
  type KindModel,
  LATENCY_FORMAT_VERSION,
  type LatencyModel,
  operatorMs,
  predictLatency,
  valuesOf,
} from './model.js'
import { features, type Operator, operatorsOf, repeated, signatureOf, withRandomWeights } from './operators.js'

export interface FitLatencyOptions {
  engine: LatencyEngine
  /** Students as `optimize` of `@fx/export` gives them, with or without their weights: what is measured are their parts. */
  graphs: readonly Graph[]
  /** Decides which operators and graphs are measured, and which of them are kept back to tell the error. Default 0. */
  seed?: number
  /** At most so many operators of each kind, of all sizes that the graphs have. Default 24. */
  operatorsPerKind?: number
  /** How many of the graphs are measured whole; half of them tell the error. Default 16, or all there are. */
  wholeGraphs?: number
  /** Runs of each, twice over, of which the lower median counts. Default 9. */
  rounds?: number
  signal?: AbortSignal
  onProgress?: (done: number, total: number) => void
}

/** Measured at once, in turn: machines have slow moments, and these then share them. */
const CHUNK = 6

/** One in so many operators of a kind is kept back. */
const HELD_OUT = 4

interface Measured {
  operator: Operator
  ms: number
}

/** How many copies make a time that a clock can tell, without filling the memory. */
const copiesOf = ({ features: { macs, inputs, outputs } }: Operator): number => {
  const copies = Math.min(1e7 / (macs + 4 * inputs + 4 * outputs), 8e6 / outputs, 32)
  return Math.max(6, Math.floor(copies))
}

/** Up to `count` of some values, evenly over their order, the ends included. */
const spread = <T>(values: readonly T[], count: number): T[] =>
  values.length <= count
    ? [...values]
    : Array.from({ length: count }, (_, i) => values[Math.round((i * (values.length - 1)) / (count - 1))]!)

/** Every kind's operators, each once, from small to large, no more than asked for. */
const chosenOperators = (graphs: readonly Graph[], perKind: number): Operator[] => {
  const unique = new Map(graphs.flatMap(operatorsOf).map(operator => [signatureOf(operator), operator]))
  const kinds = new Map<string, Operator[]>()
  for (const operator of unique.values()) kinds.set(operator.kind, [...(kinds.get(operator.kind) ?? []), operator])
  const work = ({ features: { macs, inputs, outputs } }: Operator): number => macs + inputs + outputs
  return [...kinds.values()].flatMap(operators =>
    spread(
      operators.sort((a, b) => work(a) - work(b)),
      perKind,
    ),
  )
}

const chunks = <T>(values: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(values.length / CHUNK) }, (_, i) => values.slice(i * CHUNK, (i + 1) * CHUNK))

const fitKind = (measured: readonly Measured[]): KindModel => {
  const coefficients = nonNegativeLeastSquares(
    measured.map(({ operator }) => features.map(name => operator.features[name])),
    measured.map(({ ms }) => ms),
  )
  const entries = features.map((name, i) => [name, coefficients[i]!] as const).filter(([, value]) => value > 0)
  return { coefficients: Object.fromEntries(entries), operators: measured.length }
}

const errorOf = (pairs: readonly { predicted: number; ms: number }[]) => ({
  medianPercent:
    pairs.length === 0 ? null : 100 * median(pairs.map(({ predicted, ms }) => Math.abs(predicted - ms) / ms)),
  count: pairs.length,
})

/**
 * Learns how long students take on an engine. It measures the fused operators that the given graphs are made of, each as
 * the difference between many copies and one, fits for every kind (1x1 convolution, depthwise 3x3 of stride 2, ...) a
 * time that is linear in multiply-accumulates and values moved, with no negative coefficient, and sets calls and
 * work over a graph in proportion to some graphs measured whole. A quarter of the operators and half of the whole graphs are kept back from
 * the fit and tell its error.
 *
 * @throws FxError `invalid-argument` without graphs, `unsupported` when the engine's clock is too coarse for a kind,
 *   `aborted`.
 */
export const fitLatency = async (options: FitLatencyOptions): Promise<LatencyModel> => {
  const { engine, graphs, seed = 0, signal, onProgress } = options
  if (graphs.length < 2)
    throw new FxError('invalid-argument', `graphs has ${graphs.length} members; it needs at least 2`)
  const perKind = integerIn('operatorsPerKind', options.operatorsPerKind ?? 24, 4, 1000)
  const wanted = integerIn('wholeGraphs', options.wholeGraphs ?? 16, 2, 1000)
  const rounds = integerIn('rounds', options.rounds ?? 9, 1, 1000)
  const random = seededRandom('latency', seed)
  const operators = random.shuffled(chosenOperators(graphs, perKind))
  const whole = random.shuffled(graphs).slice(0, wanted)
  const total = operators.length + whole.length
  let done = 0
  const measure = async (chunk: readonly Graph[], units: number): Promise<number[]> => {
    throwIfAborted(signal)
    const first = await engine.measure(chunk, { rounds })
    const second = await engine.measure(chunk, { rounds })
    done += units
    onProgress?.(done, total)
    // What slows a machine only ever adds.
    return first.map((ms, i) => Math.min(ms, second[i]!))
  }

  const measured: Measured[] = []
  for (const chunk of chunks(operators)) {
    const times = await measure(
      chunk.flatMap(operator => [repeated(operator, 1), repeated(operator, copiesOf(operator))]),
      chunk.length,
    )
    for (const [i, operator] of chunk.entries()) {
      const ms = (times[2 * i + 1]! - times[2 * i]!) / (copiesOf(operator) - 1)
      // Noise can hide an operator that takes next to nothing.
      if (ms > 0) measured.push({ operator, ms })
    }
  }

  const kinds: Record<string, KindModel> = {}
  const unseen: { predicted: number; ms: number }[] = []
  for (const kind of [...new Set(operators.map(operator => operator.kind))].sort()) {
    const all = measured.filter(({ operator }) => operator.kind === kind)
    if (all.length === 0) {
      throw new FxError(
        'unsupported',
        `The clock of ${engine.name} is too coarse to measure '${kind}'; use more rounds`,
      )
    }
    const keepBack = all.length >= HELD_OUT ? Math.floor(all.length / HELD_OUT) : 0
    kinds[kind] = fitKind(all.slice(keepBack))
    for (const { operator, ms } of all.slice(0, keepBack)) {
      const { call, work } = operatorMs(kinds[kind].coefficients, operator.features)
      unseen.push({ predicted: call + work, ms })
    }
  }

  const raw: LatencyModel = {
    formatVersion: LATENCY_FORMAT_VERSION,
    engine: engine.name,
    kinds,
    whole: { call: 0, perValue: 0, callScale: 1, workScale: 1 },
    error: { operators: errorOf(unseen), graphs: { medianPercent: null, count: 0 } },
  }
  const graphMs: number[] = []
  for (const chunk of chunks(whole)) graphMs.push(...(await measure(chunk.map(withRandomWeights), chunk.length)))
  const half = Math.ceil(whole.length / 2)
  const rows = whole.slice(0, half).map(graph => {
    const parts = operatorsOf(graph).map(operator => operatorMs(kinds[operator.kind]!.coefficients, operator.features))
    const [calls, work] = (['call', 'work'] as const).map(part => parts.reduce((sum, each) => sum + each[part], 0))
    return [1, valuesOf(graph), calls!, work!]
  })
  const [call, perValue, callScale, workScale] = nonNegativeLeastSquares(rows, graphMs.slice(0, half))
  const model: LatencyModel = {
    ...raw,
    whole: { call: call!, perValue: perValue!, callScale: callScale!, workScale: workScale! },
  }
  const pairs = whole
    .slice(half)
    .map((graph, i) => ({ predicted: predictLatency(model, graph).ms, ms: graphMs[half + i]! }))
  return { ...model, error: { ...model.error, graphs: errorOf(pairs) } }
}
