import { FxError, listed } from '@fx/core'
import { type Checkpoint, loadFloat32 } from '@fx/weights'
import type { ParameterSpec } from '../network/parameter.js'
import { checkWeights, type NamedWeight } from '../network/weights.js'
import { averageW, constantNoise } from './checkpoints-buffers.js'
import { checkShapes, inferDiscriminatorConfig, inferGeneratorConfig } from './checkpoints-config.js'
import { hiddenOptions } from './checkpoints-modules.js'
import { recordedDiscriminatorConfig, recordedGeneratorConfig } from './checkpoints-safetensors.js'
import type { DiscriminatorConfig, GeneratorConfig } from './config.js'
import { withoutFilters } from './filters.js'
import type { StoredArray, StoredArrays } from './names/arrays.js'
import { discriminatorFromRosinality, generatorFromRosinality } from './names/rosinality.js'
import { discriminatorFromTensorflow, generatorFromTensorflow } from './names/tensorflow.js'
import { discriminatorParameters, generatorParameters } from './parameters.js'

export interface ReadStylegan2Options {
  /**
   * Which generator, by its name in the file: `G_ema`, `G`; `g_ema`, `g`; `Gs`, `G`. Without it, the moving average
   * over training, or the only generator there is.
   */
  network?: string
  /** Read the discriminator as well (`D`, `d`). Default false. */
  discriminator?: boolean
}

/** Networks out of a checkpoint, ready for `stylegan2Generator` and `stylegan2Discriminator`. */
export interface Stylegan2Checkpoint {
  generator: {
    /** Its name in the file. */
    name: string
    config: Required<GeneratorConfig>
    weights: Map<string, NamedWeight>
    /**
     * Buffers that the file lacks and that were made as its authors' code makes them: constant noise, drawn from a fixed
     * seed, and `mapping.w_avg`, the mean of 4096 mapped latents.
     */
    substituted: string[]
  }
  discriminator?: { name: string; config: Required<DiscriminatorConfig>; weights: Map<string, NamedWeight> }
}

type Kind = 'generator' | 'discriminator'

/** How one author's files name their networks, told by names that no other author has. */
interface Author {
  name: string
  separator: '.' | '/'
  /** A name of each network, behind the network's own. */
  signs: Record<Kind, RegExp>
  generator(arrays: StoredArrays, latentAverage?: StoredArray): Map<string, StoredArray>
  discriminator(arrays: StoredArrays): Map<string, StoredArray>
}

const authors: readonly Author[] = [
  {
    name: 'StyleGAN2-ADA',
    separator: '.',
    signs: {
      generator: /^(?:(.+)\.)?synthesis\.b\d+\./,
      discriminator: /^(?:(.+)\.)?b\d+\.(?:fromrgb|fc|out)\./,
    },
    generator: arrays => new Map(arrays),
    discriminator: arrays => new Map(arrays),
  },
  {
    name: 'rosinality',
    separator: '.',
    signs: {
      generator: /^(?:(.+)\.)?(?:input\.input|to_rgb1\.bias)$/,
      discriminator: /^(?:(.+)\.)?final_(?:conv|linear)\.\d\./,
    },
    generator: generatorFromRosinality,
    discriminator: discriminatorFromRosinality,
  },
  {
    name: 'TensorFlow',
    separator: '/',
    signs: {
      generator: /^(?:(.+)\/)?synthesis\/\d+x\d+\//,
      discriminator: /^(?:(.+)\/)?(?:\d+x\d+\/(?:FromRGB|Conv1_down|Dense0)|Output)\//,
    },
    generator: generatorFromTensorflow,
    discriminator: discriminatorFromTensorflow,
  },
]

/** The generators or discriminators of a checkpoint by name; `''` when the file is one network. */
const networksOf = ({ tensors }: Checkpoint, kind: Kind): Map<string, Author> => {
  const found = new Map<string, Author>()
  for (const name of tensors.keys()) {
    for (const author of authors) {
      const match = author.signs[kind].exec(name)
      if (match) found.set(match[1] ?? '', author)
    }
  }
  return found
}

const preferred: Record<Kind, readonly string[]> = {
  generator: ['G_ema', 'g_ema', 'Gs', ''],
  discriminator: ['D', 'd', ''],
}

const noGenerator = ({ tensors }: Checkpoint): FxError => {
  const names = [...tensors.keys()]
  const aliasFree = names.find(name => /synthesis\.L\d+_\d+_\d+\./.test(name))
  return new FxError(
    'unsupported',
    aliasFree === undefined
      ? `stylegan2: the checkpoint holds no StyleGAN2 generator; its arrays have names such as ${listed(names.slice(0, 3))}`
      : `stylegan2: the checkpoint holds a StyleGAN3 generator ('${aliasFree}'); only StyleGAN2's can be computed`,
    { details: { names: names.slice(0, 20) } },
  )
}

const choose = (checkpoint: Checkpoint, kind: Kind, wanted: string | undefined): [string, Author] => {
  const found = networksOf(checkpoint, kind)
  if (kind === 'generator' && found.size === 0) throw noGenerator(checkpoint)
  const usual = preferred[kind].find(name => found.has(name)) ?? (found.size === 1 ? [...found.keys()][0] : undefined)
  const name = wanted ?? usual
  const author = name === undefined ? undefined : found.get(name)
  if (name === undefined || !author) {
    const names = [...found.keys()]
    throw new FxError(
      'not-found',
      `stylegan2: the checkpoint has no ${kind}${wanted === undefined ? ' that is chosen by itself' : ` '${wanted}'`}; it has ${listed(names)}`,
      { details: { network: wanted, allowed: names } },
    )
  }
  return [name, author]
}

/** The arrays of one network, still at rest, under its author's names. */
const arraysOf = ({ tensors }: Checkpoint, name: string, { separator }: Author): Map<string, StoredArray> => {
  const prefix = name === '' ? '' : `${name}${separator}`
  const arrays = new Map<string, StoredArray>()
  for (const [key, tensor] of tensors) {
    if (!key.startsWith(prefix)) continue
    arrays.set(key.slice(prefix.length), { shape: tensor.shape, load: () => loadFloat32(tensor) })
  }
  return arrays
}

/** Loads array by array, so that never more than one is in memory twice. */
const loadWeights = async (arrays: StoredArrays): Promise<Map<string, NamedWeight>> => {
  const weights = new Map<string, NamedWeight>()
  for (const [name, array] of arrays) weights.set(name, { shape: array.shape, data: await array.load() })
  return weights
}

/** Checks the filters' values as well, and leaves them out. */
const checked = (kind: Kind, specs: readonly ParameterSpec[], weights: Map<string, NamedWeight>) => {
  const kept = withoutFilters(weights)
  checkWeights(`stylegan2: the ${kind}`, specs, kept)
  return kept
}

const readGenerator = async (
  checkpoint: Checkpoint,
  wanted: string | undefined,
): Promise<Stylegan2Checkpoint['generator']> => {
  const [name, author] = choose(checkpoint, 'generator', wanted)
  const stored = arraysOf(checkpoint, name, author)
  // rosinality's average belongs to the whole file, and to the averaged generator.
  const average = name === 'g' ? undefined : checkpoint.tensors.get('latent_avg')
  stored.delete('latent_avg')
  const arrays = author.generator(stored, average && { shape: average.shape, load: () => loadFloat32(average) })
  const config = recordedGeneratorConfig(checkpoint, name) ?? {
    ...inferGeneratorConfig(arrays),
    convClamp: hiddenOptions(checkpoint.modules, name, author.name, 'generator').convClamp ?? null,
  }
  const specs = generatorParameters(config)
  checkShapes('generator', specs, arrays)
  const weights = await loadWeights(arrays)
  const substituted = specs.filter(spec => !weights.has(spec.name))
  for (const { name: buffer, shape } of substituted) {
    const data = buffer === 'mapping.w_avg' ? await averageW(config, weights) : constantNoise(buffer, shape)
    weights.set(buffer, { shape, data })
  }
  return {
    name,
    config,
    weights: checked('generator', specs, weights),
    substituted: substituted.map(spec => spec.name),
  }
}

const readDiscriminator = async (checkpoint: Checkpoint): Promise<Stylegan2Checkpoint['discriminator']> => {
  const [name, author] = choose(checkpoint, 'discriminator', undefined)
  const arrays = author.discriminator(arraysOf(checkpoint, name, author))
  const config = recordedDiscriminatorConfig(checkpoint, name) ?? {
    ...inferDiscriminatorConfig(arrays),
    ...hiddenOptions(checkpoint.modules, name, author.name, 'discriminator'),
  }
  const specs = discriminatorParameters(config)
  checkShapes('discriminator', specs, arrays)
  return { name, config, weights: checked('discriminator', specs, await loadWeights(arrays)) }
}

/**
 * The networks of a StyleGAN2 checkpoint: pickles of StyleGAN2-ADA, of StyleGAN3's repository and of the TensorFlow
 * StyleGAN2s, rosinality's `.pt`, and safetensors under StyleGAN2-ADA's names, such as `encodeStylegan2` writes. Only the
 * networks asked for are loaded, array by array. Names and shapes tell the architecture; what they cannot tell
 * (`convClamp`, minibatch groups) is read from a pickle's modules and otherwise has its default.
 *
 * When the file has no average w, it is computed on the current tfjs backend.
 *
 * @param checkpoint from `openCheckpoint` of `@fx/weights` or `@fx/weights/node`; closing it remains the caller's.
 * @throws FxError `not-found` for a network or array that is not there, `unsupported` for another architecture (with the
 *   name of the array or option by which it is told), `corrupt-file` for a file that ends too early,
 *   `newer-version`, `backend-unavailable` when an average must be computed and no backend is there.
 */
export const readStylegan2 = async (
  checkpoint: Checkpoint,
  { network, discriminator = false }: ReadStylegan2Options = {},
): Promise<Stylegan2Checkpoint> => {
  const generator = await readGenerator(checkpoint, network)
  if (!discriminator) return { generator }
  return { generator, discriminator: (await readDiscriminator(checkpoint))! }
}
