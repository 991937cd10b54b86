import { FxError, listed } from '@fx/core'
import { type Checkpoint, loadFloat32 } from '@fx/weights'
import * as z from 'zod/mini'
import { readJsonFile } from '../../network/files.js'
import { openLocation } from '../../network/open.js'
import { checkWeights, type NamedWeight } from '../../network/weights.js'
import { parseSchedulerConfig } from '../diffusion/scheduler-config.js'
import type { ImagenStageWeights } from '../stage-file.js'
import { parseUnetConfig } from '../unet/config.js'
import { unetParameters } from '../unet/parameters.js'

const needed = async (location: string): Promise<unknown> => {
  const json = await readJsonFile(location)
  if (json !== undefined) return json
  throw new FxError('not-found', `There is no ${location}; a stage in diffusers' layout needs it`)
}

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) })

/** A neighbour of the index and nothing else: a hostile index must not lead out of its folder. */
const FILE_NAME = /^[\w][\w.-]*\.safetensors$/

/** The shards that an index names, each with its arrays. */
const shardsOf = (location: string, json: unknown): Map<string, string[]> => {
  const index = indexSchema.safeParse(json)
  if (!index.success) throw new FxError('corrupt-file', `${location} is no index of shards: it has no weight_map`)
  const shards = new Map<string, string[]>()
  for (const [name, file] of Object.entries(index.data.weight_map)) {
    if (!FILE_NAME.test(file)) {
      throw new FxError(
        'corrupt-file',
        `${location} names the shard ${JSON.stringify(file)}, which is no file beside it`,
        {
          details: { source: location, file },
        },
      )
    }
    shards.set(file, [...(shards.get(file) ?? []), name])
  }
  return shards
}

const loadInto = async (
  weights: Map<string, NamedWeight>,
  location: string,
  names: readonly string[] | 'all',
): Promise<void> => {
  const { tensors, close }: Checkpoint = await openLocation(location)
  try {
    for (const name of names === 'all' ? tensors.keys() : names) {
      const tensor = tensors.get(name)
      if (!tensor) throw new FxError('corrupt-file', `${location} lacks ${name}, which the index says it holds`)
      weights.set(name, { shape: tensor.shape, data: await loadFloat32(tensor) })
    }
  } finally {
    await close()
  }
}

const variants = ['fp16'] as const

const fileNames = (variant: (typeof variants)[number] | undefined) => {
  const base = 'diffusion_pytorch_model'
  const plain = { file: `${base}.safetensors`, indices: [`${base}.safetensors.index.json`] }
  const half = {
    file: `${base}.fp16.safetensors`,
    indices: [`${base}.safetensors.index.fp16.json`, `${base}.fp16.safetensors.index.json`],
  }
  return variant === 'fp16' ? [half] : [plain, half]
}

/** There is no such file; one that may not be read is another matter. */
const isMissing = (error: unknown): boolean =>
  FxError.isInstance(error, 'not-found') && (error.details.code === 'ENOENT' || error.details.status === 404)

const loadWeights = async (folder: string, variant: 'fp16' | undefined): Promise<Map<string, NamedWeight>> => {
  const weights = new Map<string, NamedWeight>()
  const names = fileNames(variant)
  for (const { file, indices } of names) {
    for (const name of indices) {
      const location = `${folder}/${name}`
      const json = await readJsonFile(location)
      if (json === undefined) continue
      for (const [shard, arrays] of shardsOf(location, json)) await loadInto(weights, `${folder}/${shard}`, arrays)
      return weights
    }
    try {
      await loadInto(weights, `${folder}/${file}`, 'all')
      return weights
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }
  const looked = names.flatMap(({ file, indices }) => [file, ...indices])
  throw new FxError('not-found', `${folder} has no weights; looked for ${listed(looked)}`, { details: { looked } })
}

export interface DiffusersStageOptions {
  /** Half-precision files only; without it, they are taken when there are no others. */
  variant?: 'fp16'
  /** `id` of the text encoder that the stage was trained with. Default: it is not said, and none is refused. */
  text?: string
}

/**
 * Reads a stage as diffusers keeps it, for instance a copy of `DeepFloyd/IF-I-M-v1.0`: `unet/config.json`,
 * `unet/diffusion_pytorch_model(.fp16).safetensors` (whole, or in shards with an index), `scheduler/scheduler_config.json`
 * and, for super-resolution, `image_noising_scheduler/scheduler_config.json`.
 *
 * @param location a folder: a path (in Node), a `file:` address, or a web address.
 * @throws FxError `not-found` naming the file that is missing, `corrupt-file` also for an index that leads out of the
 *   folder, `unsupported` for another network or scheduler, `service-failed`, and those of `imagenUnet`.
 */
export const readDiffusersStage = async (
  location: string | URL,
  { variant, text = '' }: DiffusersStageOptions = {},
): Promise<ImagenStageWeights> => {
  const folder = String(location).replace(/\/+$/, '')
  const unet = parseUnetConfig(await needed(`${folder}/unet/config.json`))
  const scheduler = parseSchedulerConfig(await needed(`${folder}/scheduler/scheduler_config.json`))
  const noising = await readJsonFile(`${folder}/image_noising_scheduler/scheduler_config.json`)
  const weights = await loadWeights(`${folder}/unet`, variant)
  checkWeights('imagen: the UNet', unetParameters(unet), weights)
  return {
    unet,
    weights,
    scheduler,
    ...(noising !== undefined && { lowResolutionScheduler: parseSchedulerConfig(noising) }),
    stage: { resolution: unet.sampleSize, text },
  }
}
