import type { SymbolicTensor } from '@tensorflow/tfjs-layers'
import { invertedResidual } from '../blocks.js'
import { convBatchNorm } from '../convolution.js'
import { makeDivisible } from '../divisible.js'
import { deepened, type Family, type Scale } from './family.js'

/** Sandler et al. 2018, table 2, after the stem. */
const stages = [
  { expansion: 1, filters: 16, repeats: 1, stride: 1, feature: true },
  { expansion: 6, filters: 24, repeats: 2, stride: 2, feature: true },
  { expansion: 6, filters: 32, repeats: 3, stride: 2, feature: true },
  { expansion: 6, filters: 64, repeats: 4, stride: 2, feature: false },
  { expansion: 6, filters: 96, repeats: 3, stride: 1, feature: true },
  { expansion: 6, filters: 160, repeats: 3, stride: 2, feature: false },
  { expansion: 6, filters: 320, repeats: 1, stride: 1, feature: true },
] as const

/** Keras truncates before it rounds to a multiple of 8. */
const scaled = (filters: number, { width, convention }: Scale): number =>
  makeDivisible(convention === 'keras' ? Math.trunc(filters * width) : filters * width)

export const v2: Family = {
  conventions: ['keras', 'timm'],
  minimalistic: false,
  channels: scale => stages.filter(({ feature }) => feature).map(({ filters }) => scaled(filters, scale)),
  apply: (input, settings) => {
    const { width, depth, block } = settings
    let x = convBatchNorm(input, {
      ...block,
      name: 'Conv1',
      batchNormName: 'bn_Conv1',
      filters: makeDivisible(32 * width),
      kernelSize: 3,
      stride: 2,
    })
    const features: SymbolicTensor[] = []
    let index = 0
    for (const { expansion, filters, repeats, stride, feature } of stages) {
      for (let i = 0; i < deepened(repeats, depth); i++) {
        x = invertedResidual(x, {
          ...block,
          name: index === 0 ? 'expanded_conv' : `block_${index}`,
          filters: scaled(filters, settings),
          expansion,
          stride: i === 0 ? stride : 1,
        })
        index++
      }
      if (feature) features.push(x)
    }
    return features
  },
}
