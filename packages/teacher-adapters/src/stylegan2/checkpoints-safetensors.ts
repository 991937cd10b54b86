import { canonicalJson, FxError } from '@fx/core'
import { type Checkpoint, encodeSafetensors } from '@fx/weights'
import * as z from 'zod/mini'
import type { ParameterSpec } from '../network/parameter.js'
import { checkWeights, type NamedWeights } from '../network/weights.js'
import { resolved } from './checkpoints-config.js'
import {
  type DiscriminatorConfig,
  type GeneratorConfig,
  resolveDiscriminatorConfig,
  resolveGeneratorConfig,
} from './config.js'
import { withoutFilters } from './filters.js'
import { discriminatorParameters, generatorParameters } from './parameters.js'

/** A generator as `stylegan2Generator` takes it: `{ config, weights: await generator.weights() }` of a live one. */
export interface GeneratorWeights {
  config: GeneratorConfig
  weights: NamedWeights
}

/** A discriminator as `stylegan2Discriminator` takes it. */
export interface DiscriminatorWeights {
  config: DiscriminatorConfig
  weights: NamedWeights
}

export interface EncodeStylegan2Options {
  /** How elements are stored. `float16` halves the file; each value keeps eleven bits. Default `float32`. */
  dtype?: 'float32' | 'float16'
  /** More of the file's metadata: licence, training, seed. Keys beginning with `stylegan2.` are taken. */
  metadata?: Readonly<Record<string, string>>
}

const VERSION = '1'
const reserved = 'stylegan2.'
const versionKey = `${reserved}version`
const configKey = (network: string): string => `${reserved}${network}`

/** The largest finite half. */
const MOST_FLOAT16 = 65_504

const named = (
  network: 'generator' | 'discriminator',
  prefix: string,
  specs: readonly ParameterSpec[],
  weights: NamedWeights,
  dtype: 'float32' | 'float16',
) => {
  checkWeights(`stylegan2: the ${network}`, specs, withoutFilters(weights))
  return specs.map(({ name }) => {
    const { shape, data } = weights.get(name)!
    const tooLarge = dtype === 'float16' && data.some(value => Math.abs(value) > MOST_FLOAT16)
    if (tooLarge) {
      throw new FxError('invalid-argument', `stylegan2: ${name} holds values too large for float16; write float32`)
    }
    return [`${prefix}.${name}`, { shape, data, dtype }] as const
  })
}

/**
 * A generator, and its discriminator if given, as the bytes of a safetensors file: StyleGAN2-ADA's names and layout below
 * `G_ema.` and `D.`, the configurations as JSON in the metadata (`stylegan2.G_ema`, `stylegan2.D`, `stylegan2.version`).
 * `readStylegan2` reads it, and so does any reader of safetensors. Equal networks give equal bytes.
 *
 * @throws FxError those of `stylegan2Generator` for weights that do not fit; `invalid-argument` for values beyond
 *   float16, or metadata under a key that is taken.
 */
export const encodeStylegan2 = (
  networks: { generator: GeneratorWeights; discriminator?: DiscriminatorWeights },
  { dtype = 'float32', metadata = {} }: EncodeStylegan2Options = {},
): Uint8Array => {
  const taken = Object.keys(metadata).find(key => key.startsWith(reserved))
  if (taken !== undefined) {
    throw new FxError('invalid-argument', `stylegan2: the metadata key '${taken}' is taken; choose another name`)
  }
  const { generator, discriminator } = networks
  const config = resolveGeneratorConfig(generator.config)
  const tensors = named('generator', 'G_ema', generatorParameters(config), generator.weights, dtype)
  const notes: Record<string, string> = {
    ...metadata,
    [versionKey]: VERSION,
    [configKey('G_ema')]: canonicalJson(config),
  }
  if (discriminator) {
    const judged = resolveDiscriminatorConfig(discriminator.config)
    tensors.push(...named('discriminator', 'D', discriminatorParameters(judged), discriminator.weights, dtype))
    notes[configKey('D')] = canonicalJson(judged)
  }
  return encodeSafetensors(tensors, notes)
}

const common = {
  resolution: z.number(),
  imageChannels: z.number(),
  cDim: z.number(),
  channelBase: z.number(),
  channelMax: z.number(),
  convClamp: z.nullable(z.number()),
  mappingLayers: z.number(),
}
const generatorSchema = z.strictObject({ ...common, zDim: z.number(), wDim: z.number() })
const discriminatorSchema = z.strictObject({ ...common, mbstdGroupSize: z.number(), mbstdChannels: z.number() })

const recorded = <Config>(
  { metadata }: Checkpoint,
  network: string,
  schema: z.core.$ZodType<Config>,
): Config | undefined => {
  const json = metadata[configKey(network)]
  if (typeof json !== 'string') return undefined
  const version = metadata[versionKey]
  if (version !== VERSION) {
    throw new FxError(
      'newer-version',
      `stylegan2: the checkpoint is of version ${version}; version ${VERSION} is read. Update @fx/teacher-adapters.`,
      { details: { version } },
    )
  }
  try {
    return z.parse(schema, JSON.parse(json))
  } catch (cause) {
    throw new FxError(
      'corrupt-file',
      `stylegan2: the checkpoint's '${configKey(network)}' is no configuration: ${json}`,
      {
        cause,
      },
    )
  }
}

/** The configuration that `encodeStylegan2` wrote for a generator; undefined in files of others. */
export const recordedGeneratorConfig = (
  checkpoint: Checkpoint,
  name: string,
): Required<GeneratorConfig> | undefined => {
  const config = recorded(checkpoint, name, generatorSchema)
  return config && resolved('generator', () => resolveGeneratorConfig(config))
}

/** The configuration that `encodeStylegan2` wrote for a discriminator. */
export const recordedDiscriminatorConfig = (
  checkpoint: Checkpoint,
  name: string,
): Required<DiscriminatorConfig> | undefined => {
  const config = recorded(checkpoint, name, discriminatorSchema)
  return config && resolved('discriminator', () => resolveDiscriminatorConfig(config))
}
