export { type AdversarialOptions, adversarial, type GradientPenalty } from './adversarial/adversarial.js'
export type { Discriminator } from './adversarial/discriminator.js'
export { featureMatching } from './adversarial/feature-matching.js'
export { type AdversarialObjective, discriminatorLoss, generatorLoss } from './adversarial/objectives.js'
export {
  type MultiScaleDiscriminatorOptions,
  multiScaleDiscriminator,
  type PatchDiscriminatorOptions,
  patchDiscriminator,
} from './adversarial/patch.js'
export { type Critic, r1Penalty, wganGpPenalty } from './adversarial/penalties.js'
