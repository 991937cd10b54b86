export { type FaceEncoderWeightsOptions, faceEncoderWeights } from './weights/face.js'
