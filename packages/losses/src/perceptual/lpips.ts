import * as tf from '@tensorflow/tfjs-core'
import { type SpatialDistance, spatialDistance } from './distance.js'
import { unitDifference } from './features.js'
import { loadExpected, ownTensors, type WeightsSource } from './parameters.js'
import { openTrunk, type TorchvisionNet } from './torchvision.js'

export interface LpipsOptions {
  net: TorchvisionNet
  /** The classifier's state dict in torchvision's layout: `features.0.weight` and so on. */
  trunk: WeightsSource
  /** The linear heads of LPIPS v0.1: `lin0.model.1.weight` and so on, each `[1, C, 1, 1]`. */
  heads: WeightsSource
}

/** LPIPS with its weights. */
export interface Lpips extends SpatialDistance {
  /** Frees the weights. */
  dispose(): void
}

/**
 * Learned perceptual image patch similarity, version 0.1: the squared differences of unit-length features of a
 * classifier, weighed by heads that were fitted to people's judgements. Images are in [0, 1], which is the reference's
 * `normalize=True`. With region weights, a place of a map counts with the mean weight of its pixels.
 *
 * Weights are the user's: a trunk of torchvision and the heads of the `lpips` package, each `.pth` or safetensors, opened
 * with `@fx/weights`. The checkpoints may be closed afterwards.
 *
 * Cost: as a training loss at 128x128, `squeeze` takes 1.2 times the forward and backward pass of a student of width 0.5
 * and `alex` 1.6 times that, but `vgg` some 25 times (wasm, one thread): train with `squeeze`, judge with the others.
 *
 * Source: Zhang, Isola, Efros, Shechtman, Wang, "The unreasonable effectiveness of deep features as a perceptual metric",
 * CVPR 2018, equation 1.
 *
 * @throws FxError `invalid-argument` for another network, `not-found` for a missing tensor, `shape-mismatch` for one of
 * another shape (the heads of another network), `corrupt-file`; its functions `shape-mismatch` for images that do not
 * belong together, are not RGB or are smaller than 31 pixels a side (alex), 16 (vgg) or 17 (squeeze).
 */
export const lpips = async ({ net, trunk, heads }: LpipsOptions): Promise<Lpips> => {
  const extractor = await openTrunk(net, trunk)
  try {
    const expected = extractor.channels.map((channels, layer) => ({
      name: `lin${layer}.model.1.weight`,
      shape: [1, channels, 1, 1],
    }))
    const loaded = await loadExpected(`LPIPS's linear heads for ${net}`, heads, expected)
    const owned = ownTensors('lpips', () => loaded.map(values => tf.tensor4d(values, [1, 1, values.length, 1])))
    const distance = spatialDistance('lpips', extractor.smallestSide, (x, y) => {
      const ofX = extractor.features(x)
      const ofY = extractor.features(y)
      return owned.use().map((head, at) => tf.conv2d(unitDifference(ofX[at]!, ofY[at]!), head, 1, 'valid'))
    })
    const dispose = () => {
      owned.dispose()
      extractor.dispose()
    }
    return { ...distance, dispose }
  } catch (error) {
    extractor.dispose()
    throw error
  }
}
