import { availableParallelism } from 'node:os'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

/**
 * The test settings every package shares. `@fx/source` resolves sibling packages to their TypeScript,
 * so tests need no build. Numeric tests on the plain-JavaScript tfjs backend are slow: the time-out is generous
 * and no test asserts a duration.
 */
export const tests = (options: NonNullable<ViteUserConfig['test']> = {}): ViteUserConfig =>
  defineConfig({
    resolve: { conditions: ['@fx/source', 'node', 'import', 'default'] },
    ssr: { resolve: { conditions: ['@fx/source', 'node', 'import', 'default'] } },
    test: {
      include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
      testTimeout: 120_000,
      hookTimeout: 240_000,
      expect: { poll: { timeout: 20_000 } },
      pool: 'forks',
      // Vitest leaves a core for itself, which on two cores is half of the machine.
      maxWorkers: availableParallelism(),
      ...options,
    },
  })
