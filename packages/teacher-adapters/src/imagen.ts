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
