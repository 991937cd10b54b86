import { depthwiseSeparable } from '../blocks.js'
import { convBatchNorm } from '../convolution.js'
import { makeDivisible } from '../divisible.js'
import { deepened, type Family, type Scale } from './family.js'

/** Howard et al. 2017, table 1, after the stem. Each stage ends in a feature. */
const stages = [
  { filters: 64, stride: 1, repeats: 1 },
  { filters: 128, stride: 2, repeats: 2 },
  { filters: 256, stride: 2, repeats: 2 },
  { filters: 512, stride: 2, repeats: 6 },
  { filters: 1024, stride: 2, repeats: 2 },
] as const

/** Keras truncates to a whole number and rounds no further. */
const scaled = (filters: number, { width, convention }: Scale): number =>
  convention === 'keras' ? Math.trunc(filters * width) : makeDivisible(filters * width)

export const v1: Family = {
  conventions: ['keras', 'timm'],
  minimalistic: false,
  channels: scale => stages.map(({ filters }) => scaled(filters, scale)),
  apply: (input, settings) => {
    const { depth, block } = settings
    let x = convBatchNorm(input, {
      ...block,
      name: 'conv1',
      batchNormName: 'conv1_bn',
      filters: scaled(32, settings),
      kernelSize: 3,
      stride: 2,
    })
    let index = 0
    return stages.map(({ filters, stride, repeats }) => {
      for (let i = 0; i < deepened(repeats, depth); i++) {
        index++
        const number = index
        x = depthwiseSeparable(x, {
          ...block,
          name: `conv_${number}`,
          partNames: part => {
            const conv = `conv_${part === 'depthwise' ? 'dw' : 'pw'}_${number}`
            return { conv, batchNorm: `${conv}_bn`, pad: `conv_pad_${number}` }
          },
          filters: scaled(filters, settings),
          stride: i === 0 ? stride : 1,
        })
      }
      return x
    })
  },
}
