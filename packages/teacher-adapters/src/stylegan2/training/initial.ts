import { FxError } from '@fx/core'
import { openCheckpoint } from '@fx/weights/node'
import type { NamedWeight, NamedWeights } from '../../network/weights.js'
import { readStylegan2 } from '../checkpoints.js'
import type { GeneratorConfig } from '../config.js'

/** Weights to begin with instead of random ones. */
export interface InitialWeights {
  generator: NamedWeights
  /** Of the generator, which may be smaller than the one in training. */
  config: Required<GeneratorConfig>
  discriminator?: NamedWeights | undefined
}

/**
 * The networks of any checkpoint that `readStylegan2` reads, a training's snapshot among them. Of several generators the
 * one in training (`G`), not its average.
 *
 * @throws FxError `not-found`, and those of `openCheckpoint` and `readStylegan2`.
 */
export const readInitialWeights = async ({
  generator,
  discriminator,
}: {
  generator: string
  discriminator: string
}): Promise<InitialWeights> => {
  const both = await readNetworks(generator)
  return discriminator === generator
    ? both
    : { ...both, discriminator: (await readNetworks(discriminator)).discriminator }
}

const readNetworks = async (location: string): Promise<InitialWeights> => {
  const checkpoint = await openCheckpoint(location)
  try {
    const has = (pattern: RegExp): boolean => [...checkpoint.tensors.keys()].some(name => pattern.test(name))
    const { generator, discriminator } = await readStylegan2(checkpoint, {
      ...(has(/^G\.synthesis\./) && { network: 'G' }),
      discriminator: has(/^(D|d)[./]/),
    })
    return {
      generator: generator.weights,
      config: generator.config,
      ...(discriminator && { discriminator: discriminator.weights }),
    }
  } finally {
    await checkpoint.close()
  }
}

/**
 * `drawn` with every array replaced that `initial` has in the same shape. Where it has none, a layer that adds to the image
 * starts at zero: blocks above the resolution of `initial` change nothing at first, so a network can be grown.
 *
 * @throws FxError `shape-mismatch` when nothing fits.
 */
export const startFrom = (
  network: string,
  drawn: ReadonlyMap<string, NamedWeight>,
  initial: NamedWeights,
): Map<string, NamedWeight> => {
  let taken = 0
  const weights = new Map<string, NamedWeight>()
  for (const [name, own] of drawn) {
    const given = initial.get(name)
    const fits = given !== undefined && String(given.shape) === String(own.shape)
    if (fits) taken++
    const added = given === undefined && name.endsWith('.torgb.weight')
    weights.set(name, fits ? given : added ? { ...own, data: new Float32Array(own.data.length) } : own)
  }
  if (taken > 0) return weights
  throw new FxError('shape-mismatch', `No array of the initial ${network} fits the ${network} of this training`)
}
