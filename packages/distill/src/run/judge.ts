import { join } from 'node:path'
import { FxError } from '@fx/core'
import { type SkippedSeed, throwIfAborted } from '@fx/teacher-adapters'
import type { JudgeOptions } from '../config/types.js'
import { skippedInWords } from '../data/collect.js'
import { checkPair, factsOf, type PairFacts, type PairPixels } from '../data/pairs.js'
import { evaluate } from '../training/evaluate.js'
import { type Run, teacherOf } from './phases.js'
import { announced } from './progress.js'
import { type JudgeRecord, runFiles } from './record.js'
import { writeSamples } from './samples.js'

/**
 * Judges the trained student on pairs of another teacher, which nothing was trained on: where the own teacher is a
 * network, a drawn ground truth tells whether the student learned the effect or the network's mistakes.
 *
 * @throws FxError what the judge throws, `shape-mismatch` and `invalid-argument` for pairs that do not fit the run.
 */
export const judgePhase = (
  { config, student, clock, options: { signal } }: Run,
  { teacher: open, pairs: count, firstSeed }: Required<JudgeOptions>,
): Promise<JudgeRecord> =>
  announced(clock.onProgress, 'judge', async () => {
    const teacher = await open()
    try {
      const facts: PairFacts[] = []
      const held: PairPixels[] = []
      const seeds = Array.from({ length: count }, (_, index) => firstSeed + index)
      const { effect, size } = config
      const skipped: SkippedSeed[] = []
      const onSkip = (skip: SkippedSeed) => skipped.push(skip)
      const request = { effect, size, seeds, parameters: config.pairs.parameters, onSkip, ...(signal && { signal }) }
      for await (const pair of teacher.pairs(request)) {
        throwIfAborted(signal)
        const { input, target } = checkPair(pair, size)
        facts.push(factsOf(pair))
        held.push({ input: input.data.slice(), target: target.data.slice() })
        clock.onProgress({ type: 'progress', phase: 'judge', done: facts.length + skipped.length, total: count })
      }
      if (facts.length + skipped.length !== count || facts.length === 0) {
        throw new FxError(
          'invalid-argument',
          `The judge '${teacher.id}' gave ${facts.length} of ${count} pairs${skippedInWords(skipped)}`,
        )
      }
      const pairs = { size, facts, read: (index: number) => held[index]! }
      const { batchSize } = config.training
      const { changedThreshold } = config.pairs
      const common = { model: student.model, pairs, effect, batchSize, changedThreshold }
      const evaluation = await evaluate({ ...common, seeds: [...held.keys()] })
      const samples = await writeSamples(join(config.out, runFiles.judgeSamples), evaluation.samples, common)
      const without = new Set(skipped.map(({ seed }) => seed))
      const given = seeds.filter(seed => !without.has(seed))
      // Pairs are counted from 0 in a run; the record names the judge's own seeds.
      const named = <T extends { seed: number }>(list: T[]): T[] =>
        list.map(sample => ({ ...sample, seed: given[sample.seed]! }))
      const { studentMae, doNothingMae } = evaluation.changedRegion
      return {
        value: {
          teacher: teacherOf(teacher, pairs),
          evaluation: { ...evaluation, samples: named(evaluation.samples) },
          samples: named(samples),
        },
        message:
          `${facts.length} pairs by '${teacher.id}'${skippedInWords(skipped)}: error ${studentMae.toFixed(4)} where the effect acts, ` +
          `${(studentMae / doNothingMae).toFixed(2)} of doing nothing; the rest kept at ${evaluation.keptRegion.psnrDb.toFixed(1)} dB`,
      }
    } finally {
      await teacher.dispose?.()
    }
  })
