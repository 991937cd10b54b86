import { oneOf } from '@fx/core'
import type { IntervalOptions } from './bootstrap.js'
import { cosine, type Embedder, featureReader } from './features.js'
import type { Metric } from './metric.js'
import { imageMetric } from './pixel.js'

export interface IdentityOptions extends IntervalOptions {
  /** Whose face the output should show. Default `input`: the effect must not make another person of it. */
  of?: 'input' | 'target'
}

/**
 * How much the face in the output is still the same person's: the mean cosine of its embedding and the input's, in
 * [-1, 1], 1 for the same. It means as much as the embedder separates people; judge with another network than the one the
 * student was trained against.
 *
 * Source: Deng et al., "ArcFace", CVPR 2019, section 3.1, for cosines of embeddings.
 *
 * @throws FxError `invalid-argument` for options out of range; from `add`, `shape-mismatch` when the embedder does not give
 * one vector an image, always of one length.
 */
export const identitySimilarity = (embedder: Embedder, options: IdentityOptions = {}): Metric => {
  const name = `identity (${embedder.name})`
  const of = oneOf(`${name}: of`, options.of ?? 'input', ['input', 'target'])
  const read = featureReader(name, embedder)
  return imageMetric(name, 1, [of], options, async batch => {
    const ours = await read(batch.output)
    const theirs = await read(batch[of]!)
    return ours.map((embedding, image) => [cosine(embedding, theirs[image]!), 1])
  })
}
