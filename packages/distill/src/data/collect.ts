import { join } from 'node:path'
import { FxError } from '@fx/core'
import { type SkippedSeed, type TeacherAdapter, type TeacherPair, throwIfAborted } from '@fx/teacher-adapters'
import { openShards, recordShards, type ShardManifest } from '@fx/teacher-adapters/shards'
import type { ResolvedConfig } from '../config/types.js'
import { checkPair, factsOf, type PairFacts, type PairPixels, type PairSet } from './pairs.js'

export interface CollectOptions {
  config: ResolvedConfig
  teacher: TeacherAdapter
  signal?: AbortSignal
  onPair?: (done: number, total: number) => void
}

const MIB = 1024 * 1024

/** How many pairs the run needs. */
const totalOf = ({ pairs }: ResolvedConfig): number => pairs.train + pairs.heldOut

/** Bytes of one pair's pixels. */
const pairBytes = ({ size }: ResolvedConfig): number => size * size * 6

/**
 * Refuses a teacher that cannot make the run's pairs, before the first of them is made.
 *
 * @throws FxError `invalid-argument`.
 */
export const checkTeacher = (teacher: TeacherAdapter, config: ResolvedConfig): void => {
  const { pairCount } = teacher.capabilities
  const { train, heldOut } = config.pairs
  if (pairCount < train + heldOut) {
    throw new FxError(
      'invalid-argument',
      `Teacher '${teacher.id}' has ${pairCount} pairs; the config asks for ${train + heldOut} ` +
        `(train ${train} + heldOut ${heldOut})`,
      { details: { pairCount, train, heldOut } },
    )
  }
}

const requestOf = ({ config, signal }: CollectOptions) => ({
  effect: config.effect,
  size: config.size,
  seeds: Array.from({ length: totalOf(config) }, (_, seed) => seed),
  parameters: config.pairs.parameters,
  ...(signal && { signal }),
})

/** Where the run's shards lie: as configured, or in the run's folder when memory does not hold the pairs. */
export const shardFolder = (config: ResolvedConfig): string | undefined => {
  if (config.pairs.shards) return config.pairs.shards
  return totalOf(config) * pairBytes(config) > config.pairs.memoryMiB * MIB ? join(config.out, 'pairs') : undefined
}

/** Makes the shards, or what is missing of them. A damaged shard is made again. */
export const makeShards = (folder: string, options: CollectOptions): Promise<ShardManifest> =>
  recordShards(folder, options.teacher, requestOf(options), {
    onProgress: ({ pairs, skipped = 0 }) => options.onPair?.(pairs + skipped, totalOf(options.config)),
  })

/** `; 3 seeds gave no pair (2 filtered, 1 misaligned)`, or nothing. */
export const skippedInWords = (skipped: readonly SkippedSeed[]): string => {
  if (skipped.length === 0) return ''
  const reasons = [...new Set(skipped.map(({ reason }) => reason))]
  const counts = reasons.map(name => `${skipped.filter(({ reason }) => reason === name).length} ${name}`)
  return `; ${skipped.length} ${skipped.length === 1 ? 'seed' : 'seeds'} gave no pair (${counts.join(', ')})`
}

/**
 * The run's pairs, each one checked, and where they came from in words. There are fewer than were asked for where the
 * teacher skipped seeds. As many as `pairs.memoryMiB` allows are held
 * decoded; the others are read from their shard for each batch.
 *
 * @throws FxError `shape-mismatch`, `aborted`, and what the teacher or the shards throw.
 */
export const obtainPairs = async (options: CollectOptions): Promise<{ pairs: PairSet; source: string }> => {
  const { config, teacher, signal } = options
  const folder = shardFolder(config)
  if (folder === undefined) {
    const skipped: SkippedSeed[] = []
    const source = teacher.pairs({ ...requestOf(options), onSkip: skip => skipped.push(skip) })
    const pairs = await hold(source, options, skipped, Number.POSITIVE_INFINITY)
    return { pairs, source: `made by '${teacher.id}'${skippedInWords(skipped)}` }
  }
  const { skipped = [] } = await makeShards(folder, options)
  const reader = await openShards(folder)
  const room = Math.floor((config.pairs.memoryMiB * MIB) / pairBytes(config))
  const pairs = await hold(
    reader.pairs({ ...(signal && { signal }) }),
    { ...options, onPair: undefined },
    skipped,
    room,
    async index => {
      const { input, target } = checkPair(await reader.pair(index), config.size)
      return { input: input.data, target: target.data }
    },
  )
  return { pairs, source: `by '${teacher.id}', in ${folder}${skippedInWords(skipped)}` }
}

/** Checks every pair and holds the first of them; the others are read again by `later`. */
const hold = async (
  source: AsyncIterable<TeacherPair>,
  { config, teacher, signal, onPair }: CollectOptions,
  skipped: readonly SkippedSeed[],
  room: number,
  later?: (index: number) => Promise<PairPixels>,
): Promise<PairSet> => {
  const total = totalOf(config)
  const facts: PairFacts[] = []
  const held: PairPixels[] = []
  for await (const pair of source) {
    throwIfAborted(signal)
    const { input, target } = checkPair(pair, config.size)
    facts.push(factsOf(pair))
    if (held.length < room) held.push({ input: input.data.slice(), target: target.data.slice() })
    onPair?.(facts.length + skipped.length, total)
    // Signals get their turn: a teacher may never wait.
    if (facts.length % 16 === 0) await new Promise(setImmediate)
  }
  if (facts.length + skipped.length !== total) {
    throw new FxError('invalid-argument', `Teacher '${teacher.id}' gave ${facts.length} of ${total} pairs`)
  }
  if (facts.length <= config.pairs.heldOut) {
    throw new FxError(
      'invalid-argument',
      `Teacher '${teacher.id}' gave ${facts.length} of ${total} pairs${skippedInWords(skipped)}: nothing is left to ` +
        `train on beside the ${config.pairs.heldOut} held-out ones`,
      { details: { pairs: facts.length, heldOut: config.pairs.heldOut, skipped: skipped.length } },
    )
  }
  return { size: config.size, facts, read: index => held[index] ?? later!(index) }
}
