export {
  type DiscriminatorConfig,
  type GeneratorConfig,
  resolveDiscriminatorConfig,
  resolveGeneratorConfig,
  type StyleLayer,
} from './stylegan2/config.js'
export {
  type Discriminator,
  type DiscriminatorOptions,
  randomDiscriminatorWeights,
  stylegan2Discriminator,
} from './stylegan2/discriminator.js'
export {
  type GenerateOptions,
  type Generator,
  type GeneratorOptions,
  type Latents,
  randomGeneratorWeights,
  stylegan2Generator,
  type TruncationOptions,
} from './stylegan2/generator.js'
export { toRgbImages } from './stylegan2/images.js'
export type { Noise, Styles } from './stylegan2/synthesis.js'
export { type NamedWeight, type NamedWeights, selectWeights } from './stylegan2/weights.js'
