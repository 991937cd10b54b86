export { type Activation, activate, activations, hardSigmoid } from './activation.js'
export {
  type CompositeBlockOptions,
  type DepthwiseSeparableOptions,
  depthwiseSeparable,
  type FusedInvertedResidualOptions,
  fusedInvertedResidual,
  type InvertedResidualOptions,
  invertedResidual,
  type PartNames,
  type UniversalInvertedBottleneckOptions,
  universalInvertedBottleneck,
} from './blocks.js'
export {
  type BatchNormOptions,
  type BlockOptions,
  type ConvBatchNormOptions,
  type ConvolutionOptions,
  convBatchNorm,
  defaultBatchNorm,
  depthwiseBatchNorm,
  layerSeed,
  type Padding,
  paddings,
} from './convolution.js'
export { makeDivisible } from './divisible.js'
export {
  ENCODER_FORMAT_VERSION,
  type Encoder,
  type EncoderApplyOptions,
  type EncoderFamily,
  type EncoderSpec,
  encoderFamilies,
  encoderFromSpec,
  type MobilenetEncoderOptions,
  mobilenetEncoder,
} from './encoder.js'
export { type Convention, conventions } from './families/family.js'
export { branchedConvolutions, type FoldedConvolution, foldBranches } from './fold-branches.js'
export { reparameterise } from './reparameterise.js'
export { type SqueezeExciteOptions, squeezeExcite } from './squeeze-excite.js'
