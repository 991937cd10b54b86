import { join, resolve } from 'node:path'
import { FxError, listed, parseEffectSpec } from '@fx/core'
import { isTrainable, l1, type WeightedLoss, weighted } from '@fx/losses'
import * as z from 'zod'
import type { DistillConfig, ResolvedConfig } from './types.js'

const count = z.int().min(1)
const callable = (what: string) => z.custom(value => typeof value === 'function', `must be a function ${what}`)

/** An object of these members and no others, with an error that lists them. */
const members = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: issue =>
      issue.code === 'unrecognized_keys'
        ? `There is no member ${listed(issue.keys)}; the members are ${listed(Object.keys(shape))}`
        : undefined,
  })

const pairs = members({
  train: count,
  heldOut: count,
  parameters: z.union([z.enum(['default', 'sampled']), z.record(z.string(), z.number())]).default('default'),
  shards: z.union([z.boolean(), z.string().min(1)]).default(false),
  changedThreshold: z.int().min(0).max(254).default(8),
  memoryMiB: z.number().positive().default(2048),
})

const augmentation = members({
  flip: z.boolean().default(true),
  shift: z.int().min(0).default(2),
  brightness: z.number().min(0).max(1).default(0.1),
  colour: z.number().min(0).max(1).default(0.05),
})

const isLoss = (value: unknown): boolean =>
  typeof value === 'function' || (isTrainable(value) && typeof (value as Partial<WeightedLoss>).evaluate === 'function')

const training = members({
  steps: count,
  batchSize: count.default(8),
  learningRate: z.number().positive().default(4e-3),
  schedule: z.enum(['cosine', 'constant']).default('cosine'),
  warmupSteps: z.int().min(0).optional(),
  ema: z.union([z.literal(false), z.number().min(0).lt(1)]).default(0.995),
  clipNorm: z.union([z.literal(false), z.number().positive()]).default(1),
  changedRegionWeight: z.number().positive().default(8),
  loss: z
    .custom(isLoss, "must be a loss of @fx/losses, for instance l1() or weighted([{ name: 'l1', loss: l1() }])")
    .optional(),
  lossLearningRate: z.number().positive().default(0.01),
  adversaryLearningRate: z.number().positive().default(4e-4),
  augmentation: z.union([z.literal(false), augmentation]).default(augmentation.parse({})),
  batchNormBatches: z.int().min(0).default(0),
  checkpointEvery: count.default(100),
  evaluateEvery: z.int().min(0).optional(),
  logEvery: count.default(10),
})

const judge = members({
  teacher: callable('that returns a teacher adapter: () => portraits()'),
  pairs: count.optional(),
  firstSeed: z.int().min(0).default(0),
})

const schema = members({
  name: z.string().min(1).optional(),
  out: z.string().min(1),
  seed: z.int().min(0).default(1),
  backend: z.enum(['auto', 'tfjs-node', 'webgpu', 'wasm', 'cpu']).default('auto'),
  size: count,
  effect: z.unknown(),
  teacher: callable('that returns a teacher adapter: () => portraits()'),
  student: callable('that returns a student: ({ seed, size }) => unetStudent({ ... })'),
  pairs,
  training,
  metrics: callable('that returns metrics of @fx/losses/metrics: () => [ssim()]').optional(),
  judge: judge.optional(),
  exporter: callable('that exports the trained student: effectBundle()').optional(),
})

/** Gives a config its type; the value is unchanged. */
export const defineConfig = (config: DistillConfig): DistillConfig => config

/**
 * Checks a config and fills in its defaults.
 *
 * @throws FxError `invalid-argument` naming every member that is wrong or unknown, and what is allowed there.
 */
export const resolveConfig = (config: DistillConfig): ResolvedConfig => {
  const result = schema.safeParse(config)
  if (!result.success) {
    const { issues } = result.error
    const problems = issues.map(({ path, message }) => (path.length ? `${path.join('.')}: ${message}` : message))
    throw new FxError('invalid-argument', `The config is not valid: ${problems.join('; ')}`, { details: { issues } })
  }
  const effect = parseEffectSpec(config.effect)
  const { pairs, training, judge, ...rest } = result.data
  const { loss = l1() } = config.training
  const out = resolve(rest.out)
  return {
    ...rest,
    name: rest.name ?? effect.id,
    out,
    effect,
    teacher: config.teacher,
    student: config.student,
    metrics: config.metrics,
    exporter: config.exporter,
    judge: judge &&
      config.judge && {
        teacher: config.judge.teacher,
        pairs: judge.pairs ?? pairs.heldOut,
        firstSeed: judge.firstSeed,
      },
    pairs: {
      ...pairs,
      shards: pairs.shards === true ? join(out, 'pairs') : pairs.shards === false ? false : resolve(pairs.shards),
    },
    training: {
      ...training,
      warmupSteps: training.warmupSteps ?? Math.min(20, Math.floor(training.steps / 10)),
      evaluateEvery: training.evaluateEvery ?? Math.ceil(training.steps / 5),
      loss: typeof loss === 'function' ? weighted([{ name: 'loss', loss }]) : loss,
    },
  }
}
