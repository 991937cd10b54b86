import { resolve } from 'node:path'
import type { BackendName } from '@fx/backend'
import { FxError } from '@fx/core'
import * as z from 'zod'
import {
  commonMembers,
  count,
  everyMember,
  frechetMember,
  type ImagesOption,
  members,
  parseConfig,
} from '../../training/config.js'
import type { FeatureExtractor } from '../../training/frechet.js'
import type { ImageSource } from '../../training/image-source.js'
import { type BetaSchedule, betaSchedules } from '../diffusion/schedule.js'
import { resolveUnetConfig, type UnetConfig } from '../unet/config.js'
import type { TextEncoder } from './captions.js'
import { objectives } from './loss.js'
import type { ImagenStage, ImagenTrainerOptions } from './trainer-types.js'

/** A training of one stage of a cascade. */
export interface ImagenTrainingConfig {
  /** Folder that the training writes to. */
  out: string
  /** The images to learn from, each with a caption, or a function that opens them. */
  images: ImagesOption
  /** The frozen text encoder, or a function that opens it; what it opened is disposed of when the training ends. */
  text: TextEncoder | (() => TextEncoder | Promise<TextEncoder>)
  /**
   * A base stage makes images of `resolution` pixels a side from noise; a super-resolution stage from images of
   * `lowResolution`, a divisor of it, to which noise is added at a level drawn from `noiseLevel` (timesteps, 0 to 999;
   * default all, as in the paper).
   */
  stage:
    | { resolution: number }
    | { resolution: number; lowResolution: number; noiseLevel?: { min: number; max: number } }
  /** The network; what the stage decides is not said again. */
  unet: Omit<UnetConfig, 'sampleSize' | 'inChannels' | 'outChannels' | 'classEmbedType'>
  /** Images to show, repeats counted: the length of the training. May be raised when a training goes on. */
  totalImages: number
  /** Default the cosine schedule, `'squaredcos_cap_v2'`, of 1000 timesteps. */
  schedule?: BetaSchedule
  /** What the network tells: the velocity, the noise or the image. Default `'v'`. */
  objective?: 'v' | 'eps' | 'x0'
  /** Cap on the signal-to-noise ratio in the weights of the loss. Default 5. `false`: each timestep counts the same. */
  minSnrGamma?: number | false
  /** Part of the captions that are replaced by '', for classifier-free guidance. Default 0.1. */
  captionDropout?: number
  /** Default 0.0003. */
  learningRate?: number
  /** Images over which the learning rate rises from zero. Default 100 batches. */
  warmUp?: number
  /** After the warm-up the learning rate stays or falls to zero at `totalImages` along a cosine. Default `'none'`. */
  decay?: 'none' | 'cosine'
  /** The gradients' global norm is cut to this. Default 1. */
  clipNorm?: number | false
  /** Default 1. */
  seed?: number
  /** Default `'auto'`: the first that works of tfjs-node, WebGPU, wasm, cpu. */
  backend?: BackendName | 'auto'
  /** Default 8. */
  batchSize?: number
  /** Images after which the averaged weights have forgotten half. Default 1000 batches. */
  emaHalfLife?: number
  /** Show every second image, by chance, as in a mirror; for captions that name no side. Default false. */
  mirror?: boolean
  /**
   * Images between lines of the log, snapshots, and evaluations (grid, Fréchet distance, network file). Defaults: 400,
   * 2000 and 20000.
   */
  every?: { log?: number; snapshot?: number; evaluation?: number }
  /**
   * How evaluations sample: steps of DPM-Solver++ (default 20, for super-resolution 10), guidance of the grid (4, for
   * super-resolution 1), and the noise level of low-resolution images (250, or what is nearest to it in the stage's range).
   */
  sampling?: { steps?: number; guidance?: number; noiseLevel?: number }
  /**
   * Base stage: a row for each prompt (default: captions of `rows` images, 4), `columns` samples in it (4).
   * Super-resolution: `rows` by `columns` times low resolution, sample, original.
   */
  grid?: { prompts?: readonly string[]; rows?: number; columns?: number }
  /** The Fréchet curve: real images and as many samples without guidance (default 256), and the features (thumbnails). */
  frechet?: false | { images?: number; extractor?: FeatureExtractor }
}

/** A config with its defaults. */
export interface ResolvedImagenTraining {
  out: string
  images: () => Promise<ImageSource>
  text: ImagenTrainingConfig['text']
  totalImages: number
  backend: BackendName | 'auto'
  mirror: boolean
  every: { log: number; snapshot: number; evaluation: number }
  sampling: { steps: number; guidance: number; noiseLevel: number }
  grid: { prompts?: readonly string[] | undefined; rows: number; columns: number }
  frechet: false | { images: number; extractor: FeatureExtractor }
  trainer: ImagenTrainerOptions
}

const LAST_TIMESTEP = 999
const timestep = z.int().min(0).max(LAST_TIMESTEP)
const isEncoder = (value: unknown): boolean =>
  typeof value === 'function' || typeof (value as Partial<TextEncoder> | null)?.encode === 'function'

// How they fit together is judged by the network's own check.
const size = z.number().optional()

const schema = members({
  ...commonMembers,
  text: z.custom<ImagenTrainingConfig['text']>(isEncoder, 'must be a text encoder or a function that opens one'),
  stage: members({
    resolution: count.max(1024),
    lowResolution: count.optional(),
    noiseLevel: members({ min: timestep, max: timestep }).optional(),
  }),
  unet: members({
    blockOutChannels: z.array(z.number()),
    encoderHidDim: z.number(),
    crossAttentionDim: z.number(),
    layersPerBlock: z.union([z.number(), z.array(z.number())]).optional(),
    attention: z.array(z.boolean()).optional(),
    onlyCrossAttention: z.boolean().optional(),
    attentionHeadDim: size,
    additionEmbedTypeNumHeads: size,
    timeEmbeddingDim: size.nullable(),
    actFn: z.enum(['gelu', 'silu']).optional(),
    normNumGroups: size,
    normEps: size,
    resnetSkipTimeAct: z.boolean().optional(),
    resnetOutScaleFactor: size,
    midBlockScaleFactor: size,
    patchSize: size,
  }),
  schedule: z.enum(betaSchedules).default('squaredcos_cap_v2'),
  objective: z.enum(objectives).default('v'),
  minSnrGamma: z.union([z.literal(false), z.number().positive()]).default(5),
  captionDropout: z.number().min(0).max(1).default(0.1),
  learningRate: z.number().positive().default(0.0003),
  warmUp: z.number().min(0).optional(),
  decay: z.enum(['none', 'cosine']).default('none'),
  clipNorm: z.union([z.literal(false), z.number().positive()]).default(1),
  every: everyMember(400, 2000, 20_000),
  sampling: members({
    steps: count.max(250).optional(),
    guidance: z.number().min(0).max(1000).optional(),
    noiseLevel: timestep.optional(),
  }).prefault({}),
  grid: members({
    prompts: z.array(z.string()).min(1).max(64).optional(),
    rows: count.max(64).default(4),
    columns: count.max(64).default(4),
  }).prefault({}),
  frechet: frechetMember(256),
})

const stageOf = (given: z.output<typeof schema>['stage']): ImagenStage => {
  const { resolution, lowResolution, noiseLevel } = given
  if (lowResolution === undefined) {
    if (noiseLevel === undefined) return { resolution }
    throw new FxError(
      'invalid-argument',
      'stage.noiseLevel is of a super-resolution stage; give stage.lowResolution too',
    )
  }
  if (lowResolution >= resolution || resolution % lowResolution !== 0) {
    throw new FxError(
      'invalid-argument',
      `stage.lowResolution is ${lowResolution}; it must be a divisor of ${resolution} and smaller`,
    )
  }
  const { min, max } = noiseLevel ?? { min: 0, max: LAST_TIMESTEP }
  if (min > max) {
    throw new FxError('invalid-argument', `stage.noiseLevel goes from ${min} to ${max}; min must be at most max`)
  }
  return { resolution, lowResolution, noiseLevel: { min, max } }
}

const samplingOf = (
  stage: ImagenStage,
  { steps, guidance, noiseLevel }: z.output<typeof schema>['sampling'],
): ResolvedImagenTraining['sampling'] => {
  if (!('lowResolution' in stage)) {
    if (noiseLevel === undefined) return { steps: steps ?? 20, guidance: guidance ?? 4, noiseLevel: 0 }
    throw new FxError('invalid-argument', 'sampling.noiseLevel is of a super-resolution stage')
  }
  const { min, max } = stage.noiseLevel
  const level = noiseLevel ?? Math.min(max, Math.max(min, 250))
  if (level >= min && level <= max) return { steps: steps ?? 10, guidance: guidance ?? 1, noiseLevel: level }
  throw new FxError(
    'invalid-argument',
    `sampling.noiseLevel is ${level}; the stage learns levels from ${min} to ${max}`,
  )
}

/**
 * Checks a config and fills in its defaults.
 *
 * @throws FxError `invalid-argument` naming every member that is wrong or unknown, and what is allowed there.
 */
export const resolveImagenTraining = (config: ImagenTrainingConfig): ResolvedImagenTraining => {
  const parsed = parseConfig(schema, config)
  const { seed, batchSize, schedule, objective, minSnrGamma, captionDropout, clipNorm, totalImages } = parsed
  const stage = stageOf(parsed.stage)
  const enlarges = 'lowResolution' in stage
  const unet = resolveUnetConfig({
    ...config.unet,
    sampleSize: stage.resolution,
    inChannels: enlarges ? 6 : 3,
    outChannels: 3,
    classEmbedType: enlarges ? 'timestep' : null,
  })
  const multiple = unet.patchSize * 2 ** (unet.blockOutChannels.length - 1)
  if (stage.resolution % multiple !== 0) {
    throw new FxError(
      'invalid-argument',
      `stage.resolution is ${stage.resolution}; this unet makes images with sides that are multiples of ${multiple}`,
    )
  }
  if (enlarges && parsed.grid.prompts) {
    throw new FxError('invalid-argument', 'grid.prompts are of a base stage; super-resolution takes the captions')
  }
  const open = config.images
  return {
    out: resolve(parsed.out),
    images: async () => (typeof open === 'function' ? open() : open),
    text: config.text,
    totalImages,
    backend: parsed.backend,
    mirror: parsed.mirror,
    every: parsed.every,
    sampling: samplingOf(stage, parsed.sampling),
    grid: parsed.grid,
    frechet: parsed.frechet,
    trainer: {
      stage,
      unet,
      seed,
      batchSize,
      schedule,
      objective,
      minSnrGamma,
      captionDropout,
      learningRate: {
        peak: parsed.learningRate,
        warmUp: parsed.warmUp ?? 100 * batchSize,
        ...(parsed.decay === 'cosine' && { until: totalImages }),
      },
      clipNorm,
      emaHalfLife: parsed.emaHalfLife ?? 1000 * batchSize,
    },
  }
}
