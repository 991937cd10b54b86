import type { SymbolicTensor } from '@tensorflow/tfjs-layers'
import { convBatchNorm, invertedResidual } from './blocks.js'
import { makeDivisible } from './divisible.js'
import type { EncoderSpec } from './encoder.js'

/** Sandler et al. 2018, table 2, after the stem. */
const stages = [
  { expansion: 1, filters: 16, repeats: 1, stride: 1, tap: true },
  { expansion: 6, filters: 24, repeats: 2, stride: 2, tap: true },
  { expansion: 6, filters: 32, repeats: 3, stride: 2, tap: true },
  { expansion: 6, filters: 64, repeats: 4, stride: 2, tap: false },
  { expansion: 6, filters: 96, repeats: 3, stride: 1, tap: true },
  { expansion: 6, filters: 160, repeats: 3, stride: 2, tap: false },
  { expansion: 6, filters: 320, repeats: 1, stride: 1, tap: true },
] as const

/** Keras truncates before it rounds to a multiple of 8. */
const scaled = (filters: number, width: number): number => makeDivisible(Math.trunc(filters * width), 8)

/** timm's rule: rounded up, and the first and the last stage keep their one block. */
const deepened = (repeats: number, depth: number): number => (repeats === 1 ? 1 : Math.ceil(repeats * depth))

export const v2Channels = ({ width }: EncoderSpec): number[] =>
  stages.filter(stage => stage.tap).map(stage => scaled(stage.filters, width))

export const applyV2 = (spec: EncoderSpec, input: SymbolicTensor, seed: number): SymbolicTensor[] => {
  const { width, depth, padding } = spec
  const shared = { batchNorm: { momentum: spec.batchNormMomentum, epsilon: spec.batchNormEpsilon }, padding, seed }
  let x = convBatchNorm(input, {
    ...shared,
    name: 'Conv1',
    batchNormName: 'bn_Conv1',
    filters: makeDivisible(32 * width, 8),
    kernelSize: 3,
    stride: 2,
  })
  const taps: SymbolicTensor[] = []
  let block = 0
  for (const stage of stages) {
    const filters = scaled(stage.filters, width)
    for (let i = 0; i < deepened(stage.repeats, depth); i++) {
      x = invertedResidual(x, {
        ...shared,
        name: block === 0 ? 'expanded_conv' : `block_${block}`,
        filters,
        expansion: stage.expansion,
        stride: i === 0 ? stage.stride : 1,
      })
      block++
    }
    if (stage.tap) taps.push(x)
  }
  return taps
}
