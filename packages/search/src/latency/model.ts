import { FxError, listed } from '@fx/core'
import type { Graph } from '@fx/export'
import { type Features, features, operatorsOf } from './operators.js'

/** The version of the format that this code writes and the newest that it reads. */
export const LATENCY_FORMAT_VERSION = 1

/** What one operator of a kind takes. */
export interface KindModel {
  /** Milliseconds for each unit of a feature; those left out are 0. */
  coefficients: Partial<Features>
  /** Operators that it was fitted on. */
  operators: number
}

/** How long graphs take on one engine. Plain JSON: keep it, and a later search need not measure again. */
export interface LatencyModel {
  formatVersion: number
  /** The engine's name. */
  engine: string
  kinds: Record<string, KindModel>
  /**
   * A whole graph takes `call + perValue * (values in and out) + callScale * (calls of its operators) + workScale * (the
   * rest of them)`, milliseconds: in a graph, an operator's start and its work are slowed by different things.
   */
  whole: { call: number; perValue: number; callScale: number; workScale: number }
  /** Median absolute percentage errors on what the fit has not seen, and on how many; null where nothing was left for it. */
  error: {
    operators: { medianPercent: number | null; count: number }
    graphs: { medianPercent: number | null; count: number }
  }
}

const product = (shape: readonly (number | null)[]): number => shape.reduce<number>((a, b) => a * (b ?? 1), 1)

/** Values that a graph takes in and gives back for one image. */
export const valuesOf = (graph: Graph): number => {
  const sizes = new Map(graph.nodes.map(({ name, shape }) => [name, product(shape)]))
  return [...Object.values(graph.inputs), ...Object.values(graph.outputs)].reduce(
    (sum, name) => sum + sizes.get(name)!,
    0,
  )
}

/** Milliseconds of one operator by the coefficients of its kind: to start it, and for its work. */
export const operatorMs = (coefficients: Partial<Features>, counted: Features): { call: number; work: number } => {
  const call = (coefficients.call ?? 0) * counted.call
  const all = features.reduce((sum, name) => sum + (coefficients[name] ?? 0) * counted[name], 0)
  return { call, work: all - call }
}

/** What a graph takes, and each of its operators in the order in which they run. */
export interface LatencyPrediction {
  ms: number
  operators: { name: string; kind: string; ms: number }[]
}

/**
 * How long a graph of `@fx/export` takes for one image on the engine of the model.
 *
 * @throws FxError `unsupported` for an operator of a kind that was not among the measured ones, naming those.
 */
export const predictLatency = (model: LatencyModel, graph: Graph): LatencyPrediction => {
  const { call, perValue, callScale, workScale } = model.whole
  const operators = operatorsOf(graph).map(({ kind, features, node }) => {
    const known = model.kinds[kind]
    if (known === undefined) {
      throw new FxError(
        'unsupported',
        `The latency of '${kind}' (node '${node.name}') was not measured on ${model.engine}; measured are ` +
          `${listed(Object.keys(model.kinds).sort())}. Fit the model on graphs that have it`,
        { details: { kind, node: node.name } },
      )
    }
    const alone = operatorMs(known.coefficients, features)
    return { name: node.name, kind, ms: callScale * alone.call + workScale * alone.work }
  })
  const sum = operators.reduce((total, { ms }) => total + ms, 0)
  return { ms: call + perValue * valuesOf(graph) + sum, operators }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isCost = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value) && value >= 0

/**
 * Checks a latency model that was read from somewhere.
 *
 * @throws FxError `newer-version`, or `invalid-argument` naming what is wrong.
 */
export const parseLatencyModel = (value: unknown): LatencyModel => {
  const fail = (what: string) => new FxError('invalid-argument', `This is not a latency model: ${what}`)
  if (!isRecord(value)) throw fail('it must be an object')
  const { formatVersion, engine, kinds, whole, error } = value
  if (typeof formatVersion === 'number' && formatVersion > LATENCY_FORMAT_VERSION) {
    throw new FxError(
      'newer-version',
      `This latency model has format version ${formatVersion}; this release reads up to ${LATENCY_FORMAT_VERSION}`,
    )
  }
  if (formatVersion !== LATENCY_FORMAT_VERSION) throw fail(`formatVersion must be ${LATENCY_FORMAT_VERSION}`)
  if (typeof engine !== 'string') throw fail('engine must be a name')
  if (!isRecord(kinds) || !isRecord(whole) || !isRecord(error)) throw fail('kinds, whole and error must be objects')
  for (const name of ['call', 'perValue', 'callScale', 'workScale']) {
    if (!isCost(whole[name])) throw fail(`whole.${name} must be a number from 0`)
  }
  for (const [kind, each] of Object.entries(kinds)) {
    const coefficients = isRecord(each) ? each.coefficients : undefined
    if (!isRecord(coefficients)) throw fail(`kinds['${kind}'].coefficients must be an object`)
    for (const [name, ms] of Object.entries(coefficients)) {
      if (!(features as readonly string[]).includes(name)) {
        throw fail(`kinds['${kind}'] has a coefficient for '${name}'; features are ${listed(features)}`)
      }
      if (!isCost(ms)) throw fail(`kinds['${kind}'].coefficients.${name} must be a number from 0`)
    }
  }
  return value as unknown as LatencyModel
}
