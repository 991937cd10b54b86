import { FxError, hashJson, numberIn, type ParameterRange, sha256Hex } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { StyleLayer } from '../config.js'
import type { Generator } from '../generator.js'
import type { Styles } from '../styles.js'
import { checkEditId, checkStrength, type Edit } from './edit.js'

/** Rows of W+, `from` inclusive, `to` exclusive. */
export interface Rows {
  from: number
  to: number
}

/** A vector of StyleSpace: the layers it touches by name (`b8.conv0`), each with a value per channel. */
export type StyleVectors = Readonly<Record<string, Float32Array>>

/**
 * A goal for the score `normal . x + intercept` of a latent x, as `supervisedDirection` gives it. In the space `'w'`, x
 * is the mean of the rows of W+ that the edit moves.
 */
export interface Level<V extends Float32Array | StyleVectors = Float32Array | StyleVectors> {
  normal: V
  intercept: number
  /** The score that every latent has at strength 1. */
  score: number
}

interface DirectionOf<Space extends string, V extends Float32Array | StyleVectors> {
  /** Kebab-case. */
  id: string
  space: Space
  /**
   * What is added at strength 1. In `'w'` one vector `[wDim]` for every row of W+, in `'w+'` a vector a row
   * `[numWs * wDim]`, in `'styles'` vectors by layer.
   */
  direction: V
  /** With it, the strength is the share of the way to this level. */
  level?: Level<V>
  /** Needed, except with a level, where it is 0 to 1 and 1 by default. */
  strength?: ParameterRange
}

interface WDirectionOptions extends DirectionOf<'w', Float32Array> {
  /** Only these rows of W+ move. Default: all. */
  layers?: Rows
}
export type DirectionOptions = WDirectionOptions | DirectionOf<'w+', Float32Array> | DirectionOf<'styles', StyleVectors>

/** An edit along a direction: plain data, so that it can be stored (`encodeEdits`). */
export interface DirectionEdit extends Edit {
  readonly space: 'w' | 'w+' | 'styles'
  readonly direction: Float32Array | StyleVectors
  readonly layers?: Rows
  readonly level?: Level
}

/** One vector under the name '', or several by layer. */
const parts = (vectors: Float32Array | StyleVectors): [string, Float32Array][] =>
  vectors instanceof Float32Array ? [['', vectors]] : Object.entries(vectors)

const copied = <V extends Float32Array | StyleVectors>(id: string, what: string, vectors: V, space: string): V => {
  const perLayer = !(vectors instanceof Float32Array)
  const entries = typeof vectors === 'object' && vectors !== null ? parts(vectors) : []
  if (perLayer !== (space === 'styles') || entries.some(([, values]) => !(values instanceof Float32Array))) {
    const wanted = space === 'styles' ? 'an object of Float32Arrays by layer' : 'a Float32Array'
    throw new FxError('invalid-argument', `The ${what} of the edit '${id}' must be ${wanted} in the space '${space}'`)
  }
  if (entries.some(([, values]) => values.some(value => !Number.isFinite(value)))) {
    throw new FxError('not-finite', `The ${what} of the edit '${id}' holds NaN or infinity`)
  }
  if (!entries.some(([, values]) => values.some(value => value !== 0))) {
    throw new FxError('invalid-argument', `The ${what} of the edit '${id}' is zero everywhere`)
  }
  return perLayer
    ? (Object.fromEntries(entries.map(([name, values]) => [name, Float32Array.from(values)])) as unknown as V)
    : (Float32Array.from(vectors) as V)
}

const dot = (a: Float32Array | StyleVectors, b: Float32Array | StyleVectors): number => {
  const others = new Map(parts(b))
  return parts(a).reduce((sum, [name, values]) => {
    const other = others.get(name)
    return other ? values.reduce((total, value, i) => total + value * (other[i] ?? 0), sum) : sum
  }, 0)
}

const checkLevel = <V extends Float32Array | StyleVectors>(
  id: string,
  { normal, intercept, score }: Level<V>,
  direction: V,
  space: string,
): { level: Level<V>; rise: number } => {
  const level = { normal: copied(id, "level's normal", normal, space), intercept, score }
  const most = Number.MAX_VALUE
  numberIn(`The level's intercept of the edit '${id}'`, intercept, -most, most)
  numberIn(`The level's score of the edit '${id}'`, score, -most, most)
  const rise = dot(level.normal, direction)
  if (Math.abs(rise) <= 1e-6 * Math.sqrt(dot(level.normal, level.normal) * dot(direction, direction))) {
    throw new FxError('invalid-argument', `The direction of the edit '${id}' does not change the score of its level`)
  }
  return { level, rise }
}

const checkRows = (id: string, { from, to }: Rows, numWs: number): void => {
  if (Number.isInteger(from) && Number.isInteger(to) && 0 <= from && from < to && to <= numWs) return
  throw new FxError(
    'invalid-argument',
    `The edit '${id}' moves the rows { from: ${from}, to: ${to} } of W+; they must be whole numbers with 0 <= from < to <= ${numWs}`,
  )
}

const checkLength = (id: string, what: string, given: number, expected: number): void => {
  if (given === expected) return
  throw new FxError('shape-mismatch', `The ${what} of the edit '${id}' must have ${expected} values, it has ${given}`, {
    details: { id, expected, given },
  })
}

const checkLayers = (id: string, what: string, vectors: StyleVectors, layers: readonly StyleLayer[]): void => {
  for (const [name, values] of Object.entries(vectors)) {
    const layer = layers.find(({ name: known }) => known === name)
    if (!layer) {
      throw new FxError(
        'shape-mismatch',
        `The ${what} of the edit '${id}' has the layer '${name}', the generator has ${layers.map(l => l.name).join(', ')}`,
      )
    }
    checkLength(id, `${what}'s layer '${name}'`, values.length, layer.inChannels)
  }
}

/** A vector of W repeated over some rows of W+, each times `scale`. */
const overRows = (vector: Float32Array, { from, to }: Rows, numWs: number, scale: number): Float32Array => {
  const all = new Float32Array(numWs * vector.length)
  for (let row = from; row < to; row++) {
    all.set(
      vector.map(value => value * scale),
      row * vector.length,
    )
  }
  return all
}

/** How far each latent goes along the direction. `score` gives the latents' scores `[N]`, without the intercept. */
const amounts = (
  strengths: readonly number[],
  level: { level: Level; rise: number } | undefined,
  score: (normal: Float32Array | StyleVectors) => tf.Tensor1D,
): tf.Tensor1D => {
  const given = tf.tensor1d([...strengths], 'float32')
  if (!level) return given
  const { normal, intercept, score: goal } = level.level
  return tf.mul(given, tf.div(tf.sub(goal - intercept, score(normal)), level.rise))
}

/**
 * An edit that adds a direction: `w + strength * direction`, or the same in W+ or in StyleSpace.
 *
 * With a `level`, it goes along the direction until the latent's score is at that level: the amount is
 * `strength * (score - (normal . w + intercept)) / (normal . direction)`. All images then end at the same place,
 * however they began. That is what a student needs: with a fixed step, a dark-haired person becomes brown and a brown one
 * blond, and a network that sees one image cannot be asked for less than the whole change. Latents beyond the level come
 * back to it.
 *
 * Sources: Shen et al., "InterFaceGAN", TPAMI 2020 (W, boundaries n . w + b); Wu et al., "StyleSpace analysis", CVPR 2021.
 *
 * @throws FxError `invalid-argument` for a malformed option, `not-finite`; from `apply`, `shape-mismatch`, naming what the
 *   generator needs.
 */
export const directionEdit = (options: DirectionOptions): DirectionEdit => {
  const { space } = options
  const id = checkEditId(options.id)
  const layers = options.space === 'w' ? options.layers : undefined
  if (layers) checkRows(id, layers, Number.MAX_SAFE_INTEGER)
  if (!options.strength && !options.level) {
    throw new FxError(
      'invalid-argument',
      `The edit '${id}' needs a strength, for instance { min: 0, max: 3, default: 2 }`,
    )
  }
  const strength = checkStrength(id, options.strength ?? { min: 0, max: 1, default: 1 })
  const direction = copied<Float32Array | StyleVectors>(id, 'direction', options.direction, space)
  const level = options.level && checkLevel(id, options.level as Level, direction, space)

  const inW = (generator: Generator, w: tf.Tensor3D, strengths: readonly number[]): tf.Tensor3D => {
    const { numWs, config } = generator
    const rows = layers ?? { from: 0, to: numWs }
    checkRows(id, rows, numWs)
    const wPlus = (what: string, vectors: Float32Array, scale: number): tf.Tensor3D => {
      checkLength(id, what, vectors.length, space === 'w' ? config.wDim : numWs * config.wDim)
      const values = space === 'w' ? overRows(vectors, rows, numWs, scale) : vectors
      return tf.tensor3d(values, [1, numWs, config.wDim])
    }
    const step = wPlus('direction', direction as Float32Array, 1)
    const amount = amounts(strengths, level, normal =>
      tf.sum(tf.mul(w, wPlus("level's normal", normal as Float32Array, 1 / (rows.to - rows.from))), [1, 2]),
    )
    return tf.add(w, tf.mul(tf.reshape(amount, [-1, 1, 1]), step))
  }

  const inStyles = (generator: Generator, w: tf.Tensor3D, strengths: readonly number[]): Styles => {
    const steps = direction as StyleVectors
    checkLayers(id, 'direction', steps, generator.layers)
    if (level) checkLayers(id, "level's normal", level.level.normal as StyleVectors, generator.layers)
    const styles = generator.styles(w)
    const amount = amounts(strengths, level, normal => {
      const sums = Object.entries(normal as StyleVectors).map(([name, values]) =>
        tf.sum<tf.Tensor1D>(tf.mul(styles[name]!, tf.tensor1d(values)), 1),
      )
      return tf.addN(sums)
    })
    const moved = Object.entries(steps).map(([name, values]) => [
      name,
      tf.add(styles[name]!, tf.mul(tf.reshape(amount, [-1, 1]), tf.tensor1d(values))),
    ])
    return { ...styles, ...Object.fromEntries(moved) }
  }

  const sums = (vectors: Float32Array | StyleVectors) =>
    parts(vectors).map(([name, { buffer }]) => [name, sha256Hex(new Uint8Array(buffer))])
  return {
    id,
    space,
    strength,
    direction,
    ...(layers && { layers: { from: layers.from, to: layers.to } }),
    ...(level && { level: level.level }),
    version: hashJson({
      space,
      direction: sums(direction),
      layers,
      level: level && { ...level.level, normal: sums(level.level.normal) },
    }).slice(0, 16),
    apply(generator, w, strengths) {
      checkLength(id, 'strengths', strengths.length, w.shape[0])
      return tf.tidy(() => (space === 'styles' ? inStyles : inW)(generator, w, strengths))
    },
  }
}

/** Codes of StyleSpace that were laid end to end, layer by layer, as vectors by layer. */
export const splitStyles = (layers: readonly StyleLayer[], flat: Float32Array): Record<string, Float32Array> => {
  const total = layers.reduce((sum, { inChannels }) => sum + inChannels, 0)
  if (flat.length !== total) {
    throw new FxError('shape-mismatch', `A flat style vector of this generator has ${total} values, got ${flat.length}`)
  }
  let at = 0
  return Object.fromEntries(
    layers.map(({ name, inChannels }) => {
      at += inChannels
      return [name, flat.slice(at - inChannels, at)]
    }),
  )
}
