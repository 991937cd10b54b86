import { FxError, hashJson, seededRandom, sha256Hex } from '@fx/core'
import type { ParameterSpec } from './parameter.js'

/** One array of a checkpoint: PyTorch's layout, row-major. */
export interface NamedWeight {
  shape: readonly number[]
  data: Float32Array
}

/** The arrays of one network by their PyTorch state-dict names, for instance `synthesis.b8.conv0.weight` (OIHW). */
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

/**
 * Checks that a checkpoint holds exactly these parameters.
 *
 * @param network what errors call it: `stylegan2: the generator`.
 * @throws FxError `not-found` for missing names, `shape-mismatch`, `invalid-argument` for names that do not belong to
 *   this network.
 */
export const checkWeights = (network: string, specs: readonly ParameterSpec[], weights: NamedWeights): void => {
  const missing = specs.filter(({ name }) => !weights.has(name)).map(({ name }) => name)
  if (missing.length > 0) {
    throw new FxError('not-found', `${network}'s weights lack ${naming(missing)}`, {
      details: { missing, given: [...weights.keys()].slice(0, 20) },
    })
  }
  for (const { name, shape } of specs) {
    const given = weights.get(name)!
    if (shapeText(given.shape) !== shapeText(shape) || given.data.length !== sizeOf(shape)) {
      throw new FxError(
        'shape-mismatch',
        `${network}'s ${name} must be ${shapeText(shape)}, got ${shapeText(given.shape)} with ${given.data.length} values`,
        { details: { name, expected: shape, given: given.shape } },
      )
    }
  }
  const known = new Set(specs.map(({ name }) => name))
  const foreign = [...weights.keys()].filter(name => !known.has(name))
  if (foreign.length > 0) {
    throw new FxError(
      'invalid-argument',
      `${network} of this configuration has no ${naming(foreign)}; is the configuration right?`,
      { details: { foreign } },
    )
  }
}

/** Initial weights; each parameter draws from a stream of its own, so they do not depend on one another. */
export const drawWeights = (
  specs: readonly ParameterSpec[],
  seed: number | string,
  family: string,
): Map<string, NamedWeight> =>
  new Map(
    specs.map(({ name, shape, std, constant }) => {
      const data = new Float32Array(sizeOf(shape)).fill(constant)
      if (std > 0) {
        const random = seededRandom(seed, family, name)
        for (let i = 0; i < data.length; i++) data[i] = std * random.normal()
      }
      return [name, { shape, data }]
    }),
  )

/** SHA-256 over the names, shapes and values of all arrays, whatever file they came from and in whatever order. */
export const hashWeights = (weights: NamedWeights): string =>
  hashJson(
    [...weights]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { shape, data }]) => [
        name,
        shape,
        sha256Hex(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
      ]),
  )
