import { dirname } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { CASES } from './testing/cases.js'
import { type ConformanceOptions, resolveOptions } from './testing/options.js'
import { createRunner } from './testing/runner.js'

export type { ConformanceOptions }

/**
 * Registers, in a test file of vitest, the cases by which an adapter shows that it keeps the teacher contract:
 * `T01` to `T31`, each with a name. A case is skipped only where a declared capability frees the adapter from it, or
 * where an earlier case failed without which it cannot be judged; so that one defect is one failure. A declaration that
 * is not true fails.
 *
 * Needs vitest, esbuild, `@tensorflow/tfjs-core`, `@tensorflow/tfjs-layers` and a tfjs backend. With the defaults some
 * 55 pairs are made, and 4 for each effect more; with `pairs: 2` and `distillation: { pairs: 12 }` 40.
 *
 * @throws FxError `invalid-argument` for options out of range and malformed effects.
 */
export const teacherConformance = (options: ConformanceOptions): void => {
  const { testPath } = expect.getState()
  const runner = createRunner(resolveOptions(options, testPath ? dirname(testPath) : process.cwd()))
  describe(`${options.name} keeps the teacher contract`, { sequential: true }, () => {
    afterAll(() => runner.close())
    for (const each of CASES) {
      // Time is measured by the runner: a case may first run those that it needs.
      test(`${each.number} ${each.name}`, { timeout: 0 }, async context => {
        const outcome = await runner.outcome(each)
        if (outcome.status === 'failed') throw outcome.error
        if (outcome.status !== 'passed') context.skip(outcome.reason)
      })
    }
  })
}
