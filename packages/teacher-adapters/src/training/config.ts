import { FxError, listed } from '@fx/core'
import * as z from 'zod'
import { type FeatureExtractor, thumbnail8x8 } from './frechet.js'
import type { ImageSource } from './image-source.js'

/** An object of these members and no others, with an error that lists them. */
export const members = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: issue =>
      issue.code === 'unrecognized_keys'
        ? `There is no member ${listed(issue.keys)}; the members are ${listed(Object.keys(shape))}`
        : undefined,
  })

export const count = z.int().min(1)

const isSource = (value: unknown): boolean =>
  typeof value === 'function' || typeof (value as Partial<ImageSource> | null)?.load === 'function'
const isExtractor = (value: unknown): boolean => typeof (value as FeatureExtractor | null)?.extract === 'function'

/** Images to learn from, or a function that opens them. */
export type ImagesOption = ImageSource | (() => ImageSource | Promise<ImageSource>)

/** What every training's config has, each member with its default. */
export const commonMembers = {
  out: z.string().min(1),
  images: z.custom<ImagesOption>(isSource, 'must be an image source, for instance () => imageFolder(path)'),
  totalImages: count,
  seed: z.int().min(0).default(1),
  backend: z.enum(['auto', 'tfjs-node', 'webgpu', 'wasm', 'cpu']).default('auto'),
  batchSize: count.default(8),
  mirror: z.boolean().default(false),
  emaHalfLife: z.number().positive().optional(),
}

/** Options of the Fréchet curve. */
export const frechetMember = (images: number) => {
  const options = members({
    images: z.int().min(2).default(images),
    extractor: z.custom<FeatureExtractor>(isExtractor, 'must have a name and extract()').default(thumbnail8x8),
  })
  return z.union([z.literal(false), options]).default(options.parse({}))
}

/** Images between lines of the log, snapshots and evaluations. */
export const everyMember = (log: number, snapshot: number, evaluation: number) => {
  const options = members({
    log: count.default(log),
    snapshot: count.default(snapshot),
    evaluation: count.default(evaluation),
  })
  return options.default(options.parse({}))
}

/** @throws FxError `invalid-argument` naming every member that is wrong or unknown, and what is allowed there. */
export const parseConfig = <T>(schema: z.ZodType<T>, config: unknown): T => {
  const result = schema.safeParse(config)
  if (result.success) return result.data
  const { issues } = result.error
  const problems = issues.map(({ path, message }) => (path.length ? `${path.join('.')}: ${message}` : message))
  throw new FxError('invalid-argument', `The training's config is not valid: ${problems.join('; ')}`, {
    details: { issues },
  })
}
