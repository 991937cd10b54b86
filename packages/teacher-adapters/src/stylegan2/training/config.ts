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
import {
  type DiscriminatorConfig,
  type GeneratorConfig,
  resolveDiscriminatorConfig,
  resolveGeneratorConfig,
} from '../config.js'
import { augmentationTransforms } from './augment.js'
import type { PenaltyForm } from './regularisers.js'
import type { AugmentationOptions, TrainerOptions } from './trainer-types.js'

/** A training of a StyleGAN2. Defaults are those of the official code, unless said otherwise. */
export interface Stylegan2TrainingConfig {
  /** Folder that the training writes to. */
  out: string
  /** The images to learn from, or a function that opens them. */
  images: ImagesOption
  generator: GeneratorConfig
  /** Where the discriminator differs from the generator in width and clamp, and what it alone has. */
  discriminator?: Omit<DiscriminatorConfig, 'resolution' | 'imageChannels' | 'cDim'>
  /**
   * Begin with the weights of this checkpoint instead of random ones: a path or URL, any layout that `readStylegan2` reads,
   * a training's `snapshot.safetensors` among them. What fits by name and shape is taken: all of it for transfer learning,
   * the lower blocks when this network is larger (progressive growing; Karras et al., ICLR 2018).
   */
  initial?: string | { generator: string; discriminator: string }
  /**
   * Where the initial generator is smaller: before the training, the blocks it lacks learn for so many steps to draw what it
   * draws, enlarged to sharp squares. See `enlarge`. Default: they start by adding nothing, and the images are blurred.
   */
  enlarge?: { steps: number; learningRate?: number }
  /**
   * The generator's mapping and its blocks up to this resolution keep the initial weights: a network is grown without
   * losing what its lower blocks know. Default 0: everything is trained.
   */
  freeze?: number
  /** Real images to show, repeats counted: the length of the training. May be raised when a training goes on. */
  totalImages: number
  /** Default 1. */
  seed?: number
  /** Default `'auto'`: the first that works of tfjs-node, WebGPU, wasm, cpu. */
  backend?: BackendName | 'auto'
  /** Default 8. */
  batchSize?: number
  /** Default 0.0025, below 1024 pixels as in the official code. */
  learningRate?: number
  /** R1 penalty. Defaults: gamma `0.0002 * resolution^2 / batchSize`, on every 16th step, `'exact'`. */
  r1?: false | { gamma?: number; every?: number; form?: PenaltyForm }
  /** Path-length penalty. Defaults: weight 2, on every 4th step, on half of the batch, `'exact'`. */
  pathLength?: false | { weight?: number; every?: number; shrink?: number; form?: PenaltyForm }
  /** Probability of style mixing. Default 0.9. */
  mixing?: number
  /** Images after which the averaged generator has forgotten half. Default 312.5 batches. */
  emaHalfLife?: number
  /**
   * Augmentation of what the discriminator sees. Defaults: all transforms, `'adaptive'` with target 0.6 and speed 500.
   * An endless source needs none: `false`.
   */
  augment?: false | Partial<AugmentationOptions>
  /** Show every second image, by chance, as in a mirror. Default false. */
  mirror?: boolean
  /**
   * Images between lines of the log, snapshots, and evaluations (grid, Fréchet distance, network file). Defaults: 400,
   * 2000 and 10000.
   */
  every?: { log?: number; snapshot?: number; evaluation?: number }
  /** Samples in a grid. Default: 8 x 8, fewer above 128 pixels. */
  grid?: { columns?: number; rows?: number }
  /** The Fréchet curve: real and generated images compared (default 1024 of each) and the features (thumbnails). */
  frechet?: false | { images?: number; extractor?: FeatureExtractor }
}

/** A config with its defaults. */
export interface ResolvedTraining {
  out: string
  images: () => Promise<ImageSource>
  initial?: { generator: string; discriminator: string } | undefined
  enlarge?: { steps: number; learningRate: number } | undefined
  totalImages: number
  backend: BackendName | 'auto'
  mirror: boolean
  every: { log: number; snapshot: number; evaluation: number }
  grid: { columns: number; rows: number }
  frechet: false | { images: number; extractor: FeatureExtractor }
  trainer: TrainerOptions & {
    generator: Required<GeneratorConfig>
    discriminator: Required<DiscriminatorConfig>
    augment: false | AugmentationOptions
  }
}

const form = z.enum(['exact', 'finite-difference']).default('exact')
const r1 = members({ gamma: z.number().positive().optional(), every: count.default(16), form })
const pathLength = members({
  weight: z.number().positive().default(2),
  every: count.default(4),
  shrink: count.default(2),
  form,
})
const augment = members({
  policy: z
    .array(z.enum(augmentationTransforms))
    .min(1)
    .default([...augmentationTransforms]),
  p: z.union([z.literal('adaptive'), z.number().min(0).max(1)]).default('adaptive'),
  target: z.number().min(-1).max(1).default(0.6),
  speed: z.number().positive().default(500),
})
// Their values are judged by the networks' own checks.
const anything = z.unknown().optional()
const network = { channelBase: anything, channelMax: anything, convClamp: anything, mappingLayers: anything }

const location = z.string().min(1)

const schema = members({
  ...commonMembers,
  generator: members({
    ...network,
    resolution: anything,
    imageChannels: anything,
    cDim: anything,
    zDim: anything,
    wDim: anything,
  }),
  discriminator: members({ ...network, mbstdGroupSize: anything, mbstdChannels: anything }).default({}),
  initial: z.union([location, members({ generator: location, discriminator: location })]).optional(),
  enlarge: members({ steps: count, learningRate: z.number().positive().default(0.01) }).optional(),
  freeze: z.int().min(0).default(0),
  learningRate: z.number().positive().default(0.0025),
  r1: z.union([z.literal(false), r1]).default(r1.parse({})),
  pathLength: z.union([z.literal(false), pathLength]).default(pathLength.parse({})),
  mixing: z.number().min(0).max(1).default(0.9),
  augment: z.union([z.literal(false), augment]).default(augment.parse({})),
  every: everyMember(400, 2000, 10_000),
  grid: members({ columns: count.max(64).optional(), rows: count.max(64).optional() }).default({}),
  frechet: frechetMember(1024),
})

/**
 * Checks a config and fills in its defaults.
 *
 * @throws FxError `invalid-argument` naming every member that is wrong or unknown, and what is allowed there.
 */
export const resolveTraining = (config: Stylegan2TrainingConfig): ResolvedTraining => {
  const {
    out,
    initial,
    enlarge,
    totalImages,
    backend,
    mirror,
    every,
    frechet,
    grid,
    seed,
    batchSize,
    learningRate,
    mixing,
    ...rest
  } = parseConfig(schema, config)
  const generator = resolveGeneratorConfig(config.generator)
  const { resolution, imageChannels, cDim, channelBase, channelMax, convClamp } = generator
  const common = { resolution, imageChannels, cDim, channelBase, channelMax, convClamp }
  const discriminator = resolveDiscriminatorConfig({ ...common, ...config.discriminator })
  if (imageChannels !== 3) {
    throw new FxError('invalid-argument', `generator.imageChannels is ${imageChannels}; images have 3 channels`)
  }
  const { mbstdGroupSize } = discriminator
  if (batchSize > mbstdGroupSize && batchSize % mbstdGroupSize !== 0) {
    throw new FxError(
      'invalid-argument',
      `batchSize is ${batchSize}; it must be at most ${mbstdGroupSize} or a multiple of it (discriminator.mbstdGroupSize)`,
    )
  }
  const side = Math.min(8, Math.max(2, Math.floor(1024 / resolution)))
  const open = config.images
  return {
    out: resolve(out),
    images: async () => (typeof open === 'function' ? open() : open),
    initial: typeof initial === 'string' ? { generator: initial, discriminator: initial } : initial,
    enlarge,
    totalImages,
    backend,
    mirror,
    every,
    grid: { columns: grid.columns ?? side, rows: grid.rows ?? side },
    frechet,
    trainer: {
      generator,
      discriminator,
      seed,
      batchSize,
      learningRate,
      r1: rest.r1 ? { ...rest.r1, gamma: rest.r1.gamma ?? (0.0002 * resolution ** 2) / batchSize } : NO_R1,
      pathLength: rest.pathLength || NO_PATH_LENGTH,
      mixing,
      emaHalfLife: rest.emaHalfLife ?? (batchSize * 10_000) / 32,
      ...(rest.freeze > 0 && { freeze: rest.freeze }),
      augment: rest.augment,
    },
  }
}

const NO_R1 = { gamma: 0, every: 1, form: 'exact' } as const
const NO_PATH_LENGTH = { weight: 0, every: 1, shrink: 1, form: 'exact' } as const
