import { FxError, integerIn, numberIn, seededRandom, shown } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { createStore } from '../network/store.js'
import { drawWeights, type NamedWeight, type NamedWeights } from '../network/weights.js'
import { checkLabels, checkShape } from './checks.js'
import { type GeneratorConfig, numWs, resolveGeneratorConfig, type StyleLayer, styleLayers } from './config.js'
import { withoutFilters } from './filters.js'
import { mapLatents } from './mapping.js'
import type { Noise } from './noise.js'
import { arithmetic } from './ops.js'
import { generatorParameters } from './parameters.js'
import { joinedStyles, joinStyles, type Styles, stylesByLayer } from './styles.js'
import { synthesise } from './synthesis.js'

export interface TruncationOptions {
  /** 1 leaves w as it is, 0 gives the average. Default 1. */
  psi?: number
  /** Only this many rows of W+ are truncated. Default: all. */
  cutoff?: number
}

export interface GenerateOptions {
  /** `[N, cDim]`, for a network with labels. */
  labels?: tf.Tensor2D
  truncation?: TruncationOptions
  /** Default `'const'`. */
  noise?: Noise
}

/** What drives the synthesis: one w per image, a row per layer (W+), or a style vector per layer (StyleSpace). */
export type Latents = tf.Tensor2D | tf.Tensor3D | Styles

/** A StyleGAN2 generator. What its methods return belongs to the caller; every method can be differentiated. */
export interface Generator {
  readonly config: Readonly<Required<GeneratorConfig>>
  /** Rows of W+. */
  readonly numWs: number
  /** The layers that styles control, in order: the names, lengths and rows of StyleSpace. */
  readonly layers: readonly StyleLayer[]
  /**
   * Every parameter and buffer by its ADA name, in tfjs's layout (HWIO, [in, out]): `tf.Variable`s of a trainable
   * generator. They belong to the generator.
   */
  readonly parameters: ReadonlyMap<string, tf.Tensor>
  /** A normal z `[N, zDim]` for each seed; a seed always gives the same row. */
  latents(seeds: readonly (number | string)[]): tf.Tensor2D
  /** z `[N, zDim]` to w `[N, wDim]`, not truncated. */
  mapping(z: tf.Tensor2D, labels?: tf.Tensor2D): tf.Tensor2D
  /** w `[N, wDim]` to W+ `[N, numWs, wDim]`, all rows equal. */
  broadcast(w: tf.Tensor2D): tf.Tensor3D
  /** Moves w, or rows of W+, toward the average w. Gives W+. */
  truncate(w: tf.Tensor2D | tf.Tensor3D, options: TruncationOptions): tf.Tensor3D
  /** Style mixing: the rows of W+ before `crossover` from `first`, the others from `second`. */
  mix(first: tf.Tensor3D, second: tf.Tensor3D, crossover: number): tf.Tensor3D
  /** The style vector of every layer. */
  styles(w: tf.Tensor2D | tf.Tensor3D): Styles
  /** Images `[N, resolution, resolution, imageChannels]` in about [-1, 1]. `noise` defaults to `'const'`. */
  synthesis(latents: Latents, options?: { noise?: Noise }): tf.Tensor4D
  /** z to images: mapping, truncation, synthesis. */
  generate(z: tf.Tensor2D, options?: GenerateOptions): tf.Tensor4D
  /** Moves the average w toward the mean of w `[N, wDim]`, of which `1 - decay` counts. For training. */
  updateAverage(w: tf.Tensor2D, decay?: number): void
  /** Copies of all parameters and buffers in ADA's names and layout. */
  weights(): Promise<Map<string, NamedWeight>>
  dispose(): void
}

export interface GeneratorOptions {
  config: GeneratorConfig
  weights: NamedWeights
  /**
   * Makes the parameters `tf.Variable`s. A generator that is not trainable keeps what depends on its parameters alone,
   * and is faster. Default false.
   */
  trainable?: boolean
}

/** Psi below zero shows the opposite of a face, above one a caricature; beyond this there is only noise. */
const MOST_PSI = 100

const checkNoise = (noise: Noise, batch: number): void => {
  if (noise === 'none' || noise === 'const') return
  if (typeof noise === 'object' && 'seeds' in noise) {
    if (noise.seeds.length === batch) return
    throw new FxError('invalid-argument', `stylegan2: ${noise.seeds.length} noise seeds for ${batch} images`)
  }
  if (typeof noise === 'object' && 'seed' in noise) return
  throw new FxError(
    'invalid-argument',
    `stylegan2: noise must be 'none', 'const', { seed } or { seeds }, got ${shown(noise)}`,
  )
}

/**
 * A StyleGAN2 generator from its weights. Runs on every tfjs backend; its gradients need tfjs's own registered (import
 * `@tensorflow/tfjs-layers`), on wasm also `installTrainingKernels` of `@fx/backend/training`, which makes generation
 * several times faster there too.
 *
 * Source: Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020; weights and configuration
 * as in NVlabs/stylegan2-ada-pytorch.
 *
 * @throws FxError `invalid-argument` for a bad configuration or names that do not belong to it, `not-found` for missing
 *   weights, `shape-mismatch` for misshapen ones and, in every method, for tensors of another shape.
 */
export const stylegan2Generator = (options: GeneratorOptions): Generator => {
  const config = resolveGeneratorConfig(options.config)
  const { zDim, wDim, cDim } = config
  const trainable = options.trainable ?? false
  const store = createStore(
    'stylegan2: the generator',
    generatorParameters(config),
    withoutFilters(options.weights),
    trainable,
  )
  const layers = styleLayers(config)
  const rows = numWs(config)
  const average = store.get<tf.Tensor1D>('mapping.w_avg')

  const checkW = (w: tf.Tensor2D | tf.Tensor3D): void => {
    if (w.rank === 3) checkShape('W+', w, [null, rows, wDim])
    else checkShape('w', w, [null, wDim])
  }

  const mapping: Generator['mapping'] = (z, labels) => {
    const batch = checkShape('z', z, [null, zDim])
    checkLabels(labels, cDim, batch)
    return tf.tidy(() => mapLatents(store, config.mappingLayers, z, labels))
  }

  const broadcast: Generator['broadcast'] = w => {
    checkShape('w', w, [null, wDim])
    return tf.tidy(() => tf.tile(tf.expandDims<tf.Tensor3D>(w, 1), [1, rows, 1]))
  }

  const towardAverage = <T extends tf.Tensor>(w: T, psi: number): T => {
    const { add, mul } = arithmetic(store)
    return add<T>(mul(w, psi), mul(average, 1 - psi))
  }

  const toWPlus = (w: tf.Tensor2D | tf.Tensor3D): tf.Tensor3D =>
    w.rank === 3 ? (w as tf.Tensor3D) : broadcast(w as tf.Tensor2D)

  /** One w stays one w as long as all rows are treated alike. */
  const truncated = (w: tf.Tensor2D | tf.Tensor3D, { psi = 1, cutoff = rows }: TruncationOptions) => {
    integerIn('stylegan2: truncation cutoff', cutoff, 0, rows)
    numberIn('stylegan2: truncation psi', psi, -MOST_PSI, MOST_PSI)
    if (psi === 1 || cutoff === 0) return w
    if (cutoff === rows) return towardAverage(w, psi)
    const all = toWPlus(w)
    const head = tf.slice(all, [0, 0, 0], [-1, cutoff, -1])
    return tf.concat3d([towardAverage(head, psi), tf.slice(all, [0, cutoff, 0], [-1, -1, -1])], 1)
  }

  const truncate: Generator['truncate'] = (w, options) => {
    checkW(w)
    return tf.tidy(() => toWPlus(truncated(w, options)).clone())
  }

  const mix: Generator['mix'] = (first, second, crossover) => {
    const batch = checkShape('W+', first, [null, rows, wDim])
    checkShape('W+', second, [batch, rows, wDim])
    integerIn('stylegan2: crossover', crossover, 0, rows)
    if (crossover === rows) return first.clone()
    if (crossover === 0) return second.clone()
    return tf.tidy(() =>
      tf.concat3d(
        [tf.slice(first, [0, 0, 0], [-1, crossover, -1]), tf.slice(second, [0, crossover, 0], [-1, -1, -1])],
        1,
      ),
    )
  }

  const styles: Generator['styles'] = w => {
    checkW(w)
    return tf.tidy(() => stylesByLayer(layers, joinedStyles(store, layers, w)))
  }

  const checkStyles = (given: Styles): void => {
    const missing = layers.find(({ name }) => !given[name])
    if (missing) {
      throw new FxError('invalid-argument', `stylegan2: the styles lack '${missing.name}'`, {
        details: { needed: layers.map(({ name }) => name) },
      })
    }
    const batch = given[layers[0]!.name]!.shape[0]
    for (const { name, inChannels } of layers) checkShape(`the style '${name}'`, given[name]!, [batch, inChannels])
  }

  const joinedOf = (latents: Latents): tf.Tensor2D => {
    if (latents instanceof tf.Tensor) {
      checkW(latents)
      return joinedStyles(store, layers, latents)
    }
    checkStyles(latents)
    return joinStyles(layers, latents)
  }

  const synthesis: Generator['synthesis'] = (latents, { noise = 'const' } = {}) =>
    tf.tidy(() => {
      const joined = joinedOf(latents)
      checkNoise(noise, joined.shape[0])
      return synthesise(store, layers, joined, noise, config.convClamp)
    })

  const generate: Generator['generate'] = (z, { labels, truncation, noise = 'const' } = {}) =>
    tf.tidy(() => {
      const w = mapping(z, labels)
      return synthesis(truncation ? truncated(w, truncation) : w, { noise })
    })

  return {
    config,
    numWs: rows,
    layers,
    parameters: store.parameters,
    latents(seeds) {
      const values = new Float32Array(seeds.length * zDim)
      seeds.forEach((seed, row) => {
        const random = seededRandom(seed, 'z')
        for (let i = row * zDim; i < (row + 1) * zDim; i++) values[i] = random.normal()
      })
      return tf.tensor2d(values, [seeds.length, zDim])
    },
    mapping,
    broadcast,
    truncate,
    mix,
    styles,
    synthesis,
    generate,
    updateAverage(w, decay = 0.995) {
      checkShape('w', w, [null, wDim])
      if (!trainable) {
        throw new FxError('invalid-argument', 'stylegan2: only a trainable generator can update its average w')
      }
      tf.tidy(() => {
        const moved = tf.add<tf.Tensor1D>(tf.mul(average, decay), tf.mul(tf.mean<tf.Tensor1D>(w, 0), 1 - decay))
        ;(average as tf.Tensor as tf.Variable).assign(moved)
      })
    },
    weights: store.weights,
    dispose: store.dispose,
  }
}

/**
 * Initial weights for training, as NVlabs draws them. The same seed gives the same weights.
 *
 * @throws FxError `invalid-argument` for a bad configuration.
 */
export const randomGeneratorWeights = (config: GeneratorConfig, seed: number | string): Map<string, NamedWeight> =>
  drawWeights(generatorParameters(resolveGeneratorConfig(config)), seed, 'stylegan2')
