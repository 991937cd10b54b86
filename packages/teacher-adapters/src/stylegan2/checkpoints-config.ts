import { FxError } from '@fx/core'
import type { ParameterSpec } from '../network/parameter.js'
import {
  blockResolutions,
  channelsAt,
  type DiscriminatorConfig,
  type GeneratorConfig,
  resolveDiscriminatorConfig,
  resolveGeneratorConfig,
} from './config.js'
import { isFilter } from './filters.js'
import type { StoredArrays } from './names/arrays.js'

// The architecture as the names and shapes of a network's arrays tell it, whoever wrote them.

const shapeText = (shape: readonly number[]): string => `[${shape.join(', ')}]`

const lacking = (network: string, missing: readonly string[]): FxError =>
  new FxError('not-found', `stylegan2: the ${network} in the checkpoint lacks ${missing.slice(0, 3).join(', ')}`, {
    details: { missing },
  })

/** The shape of an array that every such network has. */
const shapeOf = (network: string, arrays: StoredArrays, name: string): readonly number[] => {
  const array = arrays.get(name)
  if (!array) throw lacking(network, [name])
  return array.shape
}

/** What a file asks for and no network here can be, in the words of the configuration's own check. */
export const resolved = <Config>(network: string, resolve: () => Config): Config => {
  try {
    return resolve()
  } catch (cause) {
    if (!FxError.isInstance(cause)) throw cause
    throw new FxError('unsupported', `The ${network} in the checkpoint cannot be read: ${cause.message}`, {
      cause,
      details: cause.details,
    })
  }
}

/** The one table `min(channelBase / resolution, channelMax)` that gives these feature maps. */
const channelTable = (network: string, layers: readonly { resolution: number; layer: string; channels: number }[]) => {
  const channelMax = Math.max(...layers.map(({ channels }) => channels))
  const channelBase = Math.max(...layers.map(({ resolution, channels }) => resolution * channels))
  for (const { resolution, layer, channels } of layers) {
    const expected = channelsAt({ channelBase, channelMax }, resolution)
    if (channels !== expected) {
      throw new FxError(
        'unsupported',
        `stylegan2: ${layer} of the ${network} has ${channels} feature maps; a table min(channelBase / resolution, channelMax) with its other layers gives ${expected}`,
        { details: { layer, channels, expected } },
      )
    }
  }
  return { channelBase, channelMax }
}

const largest = (arrays: StoredArrays, block: RegExp): number =>
  [...arrays.keys()].reduce((most, name) => Math.max(most, Number(block.exec(name)?.[1] ?? 0)), 0)

const countMappingLayers = (arrays: StoredArrays): number => {
  let layers = 0
  while (arrays.has(`mapping.fc${layers}.weight`)) layers++
  return layers
}

const labelLength = (arrays: StoredArrays): number => arrays.get('mapping.embed.weight')?.shape[1] ?? 0

/**
 * A generator's configuration. What shapes do not tell has its default.
 *
 * @throws FxError `not-found` for an array that is missing, `unsupported` for channels or a size that none here has.
 */
export const inferGeneratorConfig = (arrays: StoredArrays): Required<GeneratorConfig> => {
  const resolution = largest(arrays, /^synthesis\.b(\d+)\./)
  resolved('generator', () => resolveGeneratorConfig({ resolution }))
  const shape = (name: string) => shapeOf('generator', arrays, name)
  const table = channelTable(
    'generator',
    blockResolutions(resolution).map(side => {
      const layer = `synthesis.b${side}.conv1`
      return { resolution: side, layer, channels: shape(`${layer}.weight`)[0]! }
    }),
  )
  const cDim = labelLength(arrays)
  const wDim = shape('synthesis.b4.conv1.affine.weight')[1]!
  const mapped = shape('mapping.fc0.weight')[1]!
  const config = {
    ...table,
    resolution,
    cDim,
    wDim,
    imageChannels: shape('synthesis.b4.torgb.weight')[0]!,
    zDim: cDim > 0 ? mapped - wDim : mapped,
    mappingLayers: countMappingLayers(arrays),
  }
  return resolved('generator', () => resolveGeneratorConfig(config))
}

/** A discriminator's configuration, as `inferGeneratorConfig`. */
export const inferDiscriminatorConfig = (arrays: StoredArrays): Required<DiscriminatorConfig> => {
  const resolution = largest(arrays, /^b(\d+)\./)
  resolved('discriminator', () => resolveDiscriminatorConfig({ resolution }))
  const shape = (name: string) => shapeOf('discriminator', arrays, name)
  const sides = blockResolutions(resolution)
  const [last, joined] = shape('b4.conv.weight') as [number, number]
  const table = channelTable(
    'discriminator',
    sides.map(side => {
      const layer = side === 4 ? 'b4.conv' : `b${side}.conv0`
      return { resolution: side, layer, channels: shape(`${layer}.weight`)[0]! }
    }),
  )
  const cDim = labelLength(arrays)
  const config = {
    ...table,
    resolution,
    cDim,
    imageChannels: shape(`b${resolution}.fromrgb.weight`)[1]!,
    mbstdChannels: joined - last,
    ...(cDim > 0 ? { mappingLayers: countMappingLayers(arrays) } : {}),
  }
  return resolved('discriminator', () => resolveDiscriminatorConfig(config))
}

/**
 * Checks before anything is loaded that the arrays are those of the configured network. Buffers may be missing.
 *
 * @throws FxError `not-found`, or `unsupported` with the name of the array that another architecture must have.
 */
export const checkShapes = (network: string, specs: readonly ParameterSpec[], arrays: StoredArrays): void => {
  const missing = specs.filter(({ name, buffer }) => !buffer && !arrays.has(name)).map(({ name }) => name)
  if (missing.length > 0) throw lacking(network, missing)
  for (const { name, shape } of specs) {
    const given = arrays.get(name)?.shape ?? shape
    if (shapeText(given) !== shapeText(shape)) {
      throw new FxError(
        'unsupported',
        `stylegan2: ${name} of the ${network} is ${shapeText(given)}; with its other layers it would have to be ${shapeText(shape)}`,
        { details: { name, expected: shape, given } },
      )
    }
  }
  const known = new Set(specs.map(({ name }) => name))
  const foreign = [...arrays.keys()].find(name => !known.has(name) && !isFilter(name))
  if (foreign !== undefined) {
    throw new FxError(
      'unsupported',
      `stylegan2: the ${network} in the checkpoint has '${foreign}', which the skip generator and the residual discriminator do not have`,
      { details: { name: foreign } },
    )
  }
}
