import { FxError, integerIn } from '@fx/core'
import type * as tf from '@tensorflow/tfjs-core'
import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import type { StyleLayer } from '../config.js'
import type { Generator } from '../generator.js'
import type { Rows } from './direction.js'
import { covariance } from './solve.js'

export interface SefaOptions {
  /** Rows of W+ whose layers are looked at; give the same to `directionEdit`. Default: all. */
  layers?: Rows
  /** How many directions. Default 10, or wDim where that is less. */
  count?: number
}

export interface SefaDirection {
  /** In W, length 1. Its largest component is positive. */
  direction: Float32Array
  /** How much the styles change along it, squared: eigenvalues add up to the number of style channels. */
  eigenvalue: number
}

/** A row of W+ is read by a convolution, and the last by the layer that makes the image alone. */
const layerOfRow = (generator: Generator, row: number): StyleLayer => {
  const readers = generator.layers.filter(layer => layer.row === row)
  return readers.find(({ kind }) => kind !== 'rgb') ?? readers[0]!
}

/** The affine weights of a layer, one unit vector `[wDim]` for each style channel. */
const unitRows = async (generator: Generator, { name, inChannels }: StyleLayer): Promise<Float64Array> => {
  const { wDim } = generator.config
  const weight = generator.parameters.get(`synthesis.${name}.affine.weight`) as tf.Tensor2D
  const values = await weight.data()
  const rows = new Float64Array(inChannels * wDim)
  for (let channel = 0; channel < inChannels; channel++) {
    let squares = 0
    for (let i = 0; i < wDim; i++) squares += values[i * inChannels + channel]! ** 2
    const length = Math.sqrt(squares) || 1
    for (let i = 0; i < wDim; i++) rows[channel * wDim + i] = values[i * inChannels + channel]! / length
  }
  return rows
}

/**
 * Directions of W along which the styles change most, from the weights alone (closed-form factorisation): the
 * eigenvectors of `A^T A`, largest eigenvalue first. `A [channels, wDim]` stacks the affine weights of one layer for each
 * row of W+ (its convolution; for the last row the `torgb`), each channel's weights scaled to length 1, as the authors do.
 *
 * Source: Shen and Zhou, "Closed-form factorization of latent semantics in GANs" (SeFa), CVPR 2021, section 3.
 *
 * @throws FxError `invalid-argument` for rows that the generator does not have, or a count above wDim.
 */
export const sefa = async (generator: Generator, options: SefaOptions = {}): Promise<SefaDirection[]> => {
  const { wDim } = generator.config
  const { from, to } = options.layers ?? { from: 0, to: generator.numWs }
  integerIn('sefa: layers.from', from, 0, generator.numWs - 1)
  integerIn('sefa: layers.to', to, from + 1, generator.numWs)
  const count = integerIn('sefa: count', options.count ?? Math.min(10, wDim), 1, wDim)

  const rows = Array.from({ length: to - from }, (_, i) => layerOfRow(generator, from + i))
  const stacks = await Promise.all(rows.map(layer => unitRows(generator, layer)))
  const stacked = new Float64Array(stacks.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const stack of stacks) {
    stacked.set(stack, at)
    at += stack.length
  }
  if (!stacked.every(Number.isFinite)) throw new FxError('not-finite', 'sefa: the affine weights hold NaN or infinity')

  const channels = stacked.length / wDim
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(
    new Matrix(covariance(stacked, wDim).map(row => Array.from(row, value => value * channels))),
    { assumeSymmetric: true },
  )
  return [...realEigenvalues.keys()]
    .sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!)
    .slice(0, count)
    .map(column => ({
      direction: facing(Float32Array.from(eigenvectorMatrix.getColumn(column))),
      eigenvalue: realEigenvalues[column]!,
    }))
}

/** An eigenvector and its opposite are the same; this picks one. */
const facing = (vector: Float32Array): Float32Array => {
  let largest = 0
  for (const value of vector) if (Math.abs(value) > Math.abs(largest)) largest = value
  return largest < 0 ? vector.map(value => -value) : vector
}
