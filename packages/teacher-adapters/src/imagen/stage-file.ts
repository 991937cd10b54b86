import { canonicalJson, FxError } from '@fx/core'
import { type Checkpoint, encodeSafetensors, loadFloat32 } from '@fx/weights'
import * as z from 'zod/mini'
import { checkWeights, type NamedWeight, type NamedWeights } from '../network/weights.js'
import { parseSchedulerConfig, type SchedulerConfig, schedulerConfigJson } from './diffusion/scheduler-config.js'
import { encodeUnetConfig, parseUnetConfig, resolveUnetConfig, type UnetConfig } from './unet/config.js'
import { unetParameters } from './unet/parameters.js'

/** What a stage of a cascade makes: images from noise, or larger ones of smaller ones. */
export interface StageInfo {
  /** Side of its images, pixels. */
  resolution: number
  /** Side of the images that it enlarges; absent for a base stage. */
  lowResolution?: number | undefined
  /** The levels of noise, as timesteps, under which it learnt to enlarge. */
  noiseLevel?: { min: number; max: number } | undefined
  /** `id` of the text encoder that it was trained with. */
  text: string
}

/** One stage of a cascade: its network, how it is sampled, and what it makes. */
export interface ImagenStageWeights {
  unet: UnetConfig
  weights: NamedWeights
  scheduler: SchedulerConfig
  /** By which noise is added to the images that it enlarges; diffusers' `image_noising_scheduler`. Default: `scheduler`. */
  lowResolutionScheduler?: SchedulerConfig | undefined
  stage: StageInfo
}

const VERSION = '1'
const keys = {
  version: 'imagen.version',
  unet: 'imagen.unet',
  scheduler: 'imagen.scheduler',
  lowResolutionScheduler: 'imagen.lowResolutionScheduler',
  stage: 'imagen.stage',
} as const

const stageSchema = z.strictObject({
  resolution: z.int().check(z.positive()),
  lowResolution: z.optional(z.int().check(z.positive())),
  noiseLevel: z.optional(z.strictObject({ min: z.number(), max: z.number() })),
  text: z.string(),
})

export interface EncodeImagenStageOptions {
  /** How elements are stored. `float16` halves the file; each value keeps eleven bits. Default `float32`. */
  dtype?: 'float32' | 'float16'
  /** More of the file's metadata: licence, training. Keys beginning with `imagen.` are taken. */
  metadata?: Readonly<Record<string, string>>
}

/**
 * A stage as the bytes of one safetensors file: the UNet's arrays under diffusers' names, and as JSON in the metadata its
 * configuration (`imagen.unet`, diffusers' `config.json`), the scheduler's (`imagen.scheduler`, diffusers'
 * `scheduler_config.json`) and what it makes (`imagen.stage`). Equal stages give equal bytes.
 *
 * @throws FxError those of `imagenUnet` for weights that do not fit; `invalid-argument` for metadata under a key that is
 *   taken.
 */
export const encodeImagenStage = (
  { unet, weights, scheduler, lowResolutionScheduler, stage }: ImagenStageWeights,
  { dtype = 'float32', metadata = {} }: EncodeImagenStageOptions = {},
): Uint8Array => {
  const taken = Object.keys(metadata).find(key => key.startsWith('imagen.'))
  if (taken !== undefined) {
    throw new FxError('invalid-argument', `imagen: the metadata key '${taken}' is taken; choose another name`)
  }
  const specs = unetParameters(resolveUnetConfig(unet))
  checkWeights('imagen: the UNet', specs, weights)
  return encodeSafetensors(
    specs.map(({ name }) => [name, { ...weights.get(name)!, dtype }] as const),
    {
      ...metadata,
      [keys.version]: VERSION,
      [keys.unet]: canonicalJson(encodeUnetConfig(unet)),
      [keys.scheduler]: canonicalJson(schedulerConfigJson(scheduler)),
      ...(lowResolutionScheduler && {
        [keys.lowResolutionScheduler]: canonicalJson(schedulerConfigJson(lowResolutionScheduler)),
      }),
      [keys.stage]: canonicalJson(stage),
    },
  )
}

/**
 * Reads what `encodeImagenStage` wrote.
 *
 * @throws FxError `corrupt-file` for a file that is no stage, `newer-version`, `unsupported`.
 */
export const readImagenStage = async ({ metadata, tensors }: Checkpoint): Promise<ImagenStageWeights> => {
  const version = metadata[keys.version]
  if (version === undefined) {
    throw new FxError('corrupt-file', `imagen: the file has no '${keys.version}' in its metadata; it is no stage`)
  }
  if (version !== VERSION) {
    throw new FxError(
      'newer-version',
      `imagen: the stage is of version ${version}; version ${VERSION} is read. Update @fx/teacher-adapters.`,
      { details: { version } },
    )
  }
  const json = (key: string): unknown => {
    try {
      return JSON.parse(String(metadata[key]))
    } catch (cause) {
      throw new FxError('corrupt-file', `imagen: the stage's '${key}' is no JSON: ${metadata[key]}`, { cause })
    }
  }
  const stage = z.safeParse(stageSchema, json(keys.stage))
  if (!stage.success) {
    throw new FxError('corrupt-file', `imagen: the stage's '${keys.stage}' says no stage: ${metadata[keys.stage]}`)
  }
  const unet = parseUnetConfig(json(keys.unet))
  const scheduler = parseSchedulerConfig(json(keys.scheduler))
  const weights = new Map<string, NamedWeight>()
  for (const [name, tensor] of tensors) weights.set(name, { shape: tensor.shape, data: await loadFloat32(tensor) })
  checkWeights('imagen: the UNet', unetParameters(unet), weights)
  const low =
    metadata[keys.lowResolutionScheduler] !== undefined && parseSchedulerConfig(json(keys.lowResolutionScheduler))
  return { unet, weights, scheduler, ...(low && { lowResolutionScheduler: low }), stage: stage.data }
}
