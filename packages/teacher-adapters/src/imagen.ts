export { randomT5Weights, type T5Encoder, type T5Options, type TokenRows, t5Encoder } from './imagen/text/t5.js'
export { encodeT5Config, parseT5Config, type T5Config } from './imagen/text/t5-config.js'
export {
  encodeUnetConfig,
  parseUnetConfig,
  type ResolvedUnetConfig,
  resolveUnetConfig,
  type UnetConfig,
} from './imagen/unet/config.js'
export {
  type DiffusionUnet,
  imagenUnet,
  randomUnetWeights,
  type UnetConditioning,
  type UnetOptions,
} from './imagen/unet/unet.js'
export { type NamedWeight, type NamedWeights, selectWeights } from './network/weights.js'
