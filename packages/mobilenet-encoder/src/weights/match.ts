import { FxError } from '@fx/core'
import type { LayersModel, layers } from '@tensorflow/tfjs-layers'
import type { Shapes } from './architecture.js'
import type { StoredLayers, StoredWeight } from './stored.js'

export type Layer = layers.Layer

/** The names of a layer's weights in the order in which it keeps them. */
export const weightNames = (layer: Layer): string[] =>
  layer.weights.map(({ originalName }) => originalName.split('/').at(-1)!)

export const shapesOf = (model: LayersModel): Shapes =>
  new Map(
    model.layers
      .filter(layer => layer.weights.length > 0)
      .map(layer => {
        const names = weightNames(layer)
        return [layer.name, new Map(layer.weights.map(({ shape }, i) => [names[i]!, { shape }]))]
      }),
  )

/** The elements that weights of layers get, in the shape that each has there. */
export type Values = Map<Layer, Map<string, Float32Array>>

export interface Match {
  values: Values
  /** The first kernel as the checkpoint has it, when the encoder has another number of input channels. */
  firstShape?: readonly number[]
  missing: string[]
  used: Set<StoredWeight>
  /** Batch normalisations of which the checkpoint has only factor and offset. */
  folded: number
}

const isFolded = (stored: StoredLayers, layer: Layer): boolean => stored.get(layer.name)?.has('offset') ?? false
const ofFolded: Readonly<Record<string, string>> = { gamma: 'scale', beta: 'offset' }

/** A folded batch normalisation has mean 0 and variance 1, and a scale that takes back what its epsilon does. */
const unfolded = (layer: Layer, weight: string, stored: Float32Array | undefined): Float32Array => {
  const count = layer.weights[0]!.shape[0]!
  const epsilon = layer.getConfig().epsilon as number
  if (weight === 'gamma')
    return (stored ?? new Float32Array(count).fill(1)).map(scale => scale * Math.sqrt(1 + epsilon))
  return stored ?? new Float32Array(count).fill(weight === 'moving_variance' ? 1 : 0)
}

/** The elements of a weight, which must be numbers that a network can have. */
const read = async (weight: string, stored: StoredWeight): Promise<Float32Array> => {
  const values = await stored.load()
  const wrong = values.findIndex(value => !Number.isFinite(value) || (weight === 'moving_variance' && value < 0))
  if (wrong >= 0) {
    throw new FxError(
      'corrupt-file',
      `The checkpoint's '${stored.source}' has the value ${values[wrong]} at ${wrong}, which no trained network has`,
      { details: { weight: stored.source } },
    )
  }
  return values
}

const shown = (shape: readonly number[]): string => `[${shape.join(', ')}]`

/**
 * Finds and reads what each weight of the encoder gets.
 *
 * @param stem name of the first convolution.
 * @throws FxError `not-found`, `shape-mismatch` or `corrupt-file`, unless `partial`.
 */
export const matchWeights = async (
  encoder: readonly Layer[],
  stem: string,
  stored: StoredLayers,
  { partial, adaptInputChannels }: { partial: boolean; adaptInputChannels: boolean },
): Promise<Match> => {
  const match: Match = { values: new Map(), missing: [], used: new Set(), folded: 0 }
  const wanted: { layer: Layer; weight: string; from: StoredWeight | undefined }[] = []
  for (const layer of encoder) {
    const folded = isFolded(stored, layer)
    if (folded) match.folded++
    weightNames(layer).forEach((weight, i) => {
      const shape = layer.weights[i]!.shape.map(Number)
      const name = `${layer.name}/${weight}`
      const from = stored.get(layer.name)?.get(folded ? (ofFolded[weight] ?? '') : weight)
      if (!from && !(folded && weight !== 'beta')) {
        if (!partial)
          throw new FxError('not-found', `The checkpoint has no '${name}'; with partial: true the rest is loaded`)
        match.missing.push(`${name} (not in the checkpoint)`)
        return
      }
      const there = from?.shape ?? shape
      if (String(there) !== String(shape)) {
        const onlyInputs =
          layer.name === stem && there.length === 4 && there.every((size, axis) => axis === 2 || size === shape[axis])
        if (onlyInputs && adaptInputChannels) match.firstShape = there
        else {
          const problem = `'${name}' is ${shown(there)} in the checkpoint and ${shown(shape)} in the encoder`
          const hint = onlyInputs ? '; adaptInputChannels: true adapts it to the number of input channels' : ''
          if (!partial) throw new FxError('shape-mismatch', problem + hint)
          match.missing.push(`${name} (${shown(there)} in the checkpoint)`)
          return
        }
      }
      wanted.push({ layer, weight, from })
    })
  }
  for (const { layer, weight, from } of wanted) {
    const elements = from && (await read(weight, from))
    if (from) match.used.add(from)
    const ofLayer = match.values.get(layer) ?? new Map<string, Float32Array>()
    match.values.set(
      layer,
      ofLayer.set(weight, isFolded(stored, layer) ? unfolded(layer, weight, elements) : elements!),
    )
  }
  return match
}
