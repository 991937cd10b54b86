import { FxError, seededRandom } from '@fx/core'
import type { ParameterSpec } from './parameters.js'

/** One array of a checkpoint: PyTorch's layout, row-major. */
export interface NamedWeight {
  shape: readonly number[]
  data: Float32Array
}

/** The arrays of one network by their ADA state-dict names, for instance `synthesis.b8.conv0.weight` (OIHW). */
export type NamedWeights = ReadonlyMap<string, NamedWeight>

/**
 * The weights whose names start with `prefix`, without it: one network out of a checkpoint that holds several. Shares
 * the data.
 */
export const selectWeights = (weights: NamedWeights, prefix: string): Map<string, NamedWeight> =>
  new Map(
    [...weights].flatMap(([name, weight]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), weight]] : [])),
  )

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

/** Row-major data of shape `view`, transposed by `order`. */
const transposed = (data: Float32Array, view: readonly number[], order: readonly number[]): Float32Array => {
  const strides = view.map((_, axis) => sizeOf(view.slice(axis + 1)))
  const shape = order.map(axis => view[axis]!)
  const steps = order.map(axis => strides[axis]!)
  const result = new Float32Array(data.length)
  let next = 0
  const walk = (axis: number, offset: number): void => {
    const length = shape[axis]!
    const step = steps[axis]!
    if (axis === shape.length - 1) {
      for (let i = 0; i < length; i++) result[next++] = data[offset + i * step]!
      return
    }
    for (let i = 0; i < length; i++) walk(axis + 1, offset + i * step)
  }
  if (order.every((axis, i) => axis === i)) result.set(data)
  else walk(0, 0)
  return result
}

/** A checkpoint's array in tfjs's layout. */
export const toTensorLayout = ({ view, order }: ParameterSpec, data: Float32Array): Float32Array =>
  transposed(data, view, order)

/** The inverse of `toTensorLayout`. */
export const fromTensorLayout = ({ tensorShape, order }: ParameterSpec, data: Float32Array): Float32Array =>
  transposed(
    data,
    tensorShape,
    order.map((_, axis) => order.indexOf(axis)),
  )

const shapeText = (shape: readonly number[]): string => `[${shape.join(', ')}]`

const naming = (names: readonly string[]): string =>
  `${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`

/** Some files carry the filter with every layer; any other than StyleGAN2's would need another network. */
const isFilter = (name: string): boolean => name === 'resample_filter' || name.endsWith('.resample_filter')

const checkFilter = (name: string, { data }: NamedWeight): void => {
  const taps = [1, 3, 3, 1]
  const expected = taps.flatMap(a => taps.map(b => (a * b) / 64))
  if (data.length !== 16 || expected.some((value, i) => Math.abs(value - data[i]!) > 1e-6)) {
    throw new FxError('unsupported', `stylegan2: ${name} is not the filter [1, 3, 3, 1], the only one known here`)
  }
}

/**
 * Checks that a checkpoint holds exactly these parameters (and perhaps its constant resampling filters).
 *
 * @throws FxError `not-found` for missing names, `shape-mismatch`, `invalid-argument` for names that do not belong to
 *   this network, `unsupported` for another resampling filter.
 */
export const checkWeights = (network: string, specs: readonly ParameterSpec[], weights: NamedWeights): void => {
  const missing = specs.filter(({ name }) => !weights.has(name)).map(({ name }) => name)
  if (missing.length > 0) {
    throw new FxError('not-found', `stylegan2: the ${network}'s weights lack ${naming(missing)}`, {
      details: { missing, given: [...weights.keys()].slice(0, 20) },
    })
  }
  for (const { name, shape } of specs) {
    const given = weights.get(name)!
    if (shapeText(given.shape) !== shapeText(shape) || given.data.length !== sizeOf(shape)) {
      throw new FxError(
        'shape-mismatch',
        `stylegan2: ${name} must be ${shapeText(shape)}, got ${shapeText(given.shape)} with ${given.data.length} values`,
        { details: { name, expected: shape, given: given.shape } },
      )
    }
  }
  const known = new Set(specs.map(({ name }) => name))
  const foreign: string[] = []
  for (const [name, weight] of weights) {
    if (isFilter(name)) checkFilter(name, weight)
    else if (!known.has(name)) foreign.push(name)
  }
  if (foreign.length > 0) {
    throw new FxError(
      'invalid-argument',
      `stylegan2: the ${network} of this configuration has no ${naming(foreign)}; is the configuration right?`,
      { details: { foreign } },
    )
  }
}

/** Initial weights; each parameter draws from a stream of its own, so they do not depend on one another. */
export const drawWeights = (specs: readonly ParameterSpec[], seed: number | string): Map<string, NamedWeight> =>
  new Map(
    specs.map(({ name, shape, std, constant }) => {
      const data = new Float32Array(sizeOf(shape)).fill(constant)
      if (std > 0) {
        const random = seededRandom(seed, 'stylegan2', name)
        for (let i = 0; i < data.length; i++) data[i] = std * random.normal()
      }
      return [name, { shape, data }]
    }),
  )
