export {
  type BatchNormOptions,
  type BlockOptions,
  type ConvBatchNormOptions,
  convBatchNorm,
  type DepthwiseSeparableOptions,
  defaultBatchNorm,
  depthwiseSeparable,
  type InvertedResidualOptions,
  invertedResidual,
  layerSeed,
  type Padding,
} from './blocks.js'
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
