export {
  BUNDLE_FORMAT_VERSION,
  type BundleFile,
  type BundleModelCard,
  type BundleProbe,
  type EffectBundleManifest,
  parseBundleManifest,
} from './bundle.js'
export { integerIn, numberIn, oneOf, recordOf, shown } from './checks.js'
export { defaultParameters, type EffectSpec, type ParameterRange, parseEffectSpec } from './effect.js'
export { FxError, type FxErrorCode, type FxErrorOptions, listed } from './errors.js'
export { canonicalJson, hashJson, sha256Hex } from './hash.js'
export { type SeededRandom, seededRandom } from './random.js'
