import type { SymbolicTensor } from '@tensorflow/tfjs-layers'
import type { Activation } from '../activation.js'
import { invertedResidual } from '../blocks.js'
import { convBatchNorm } from '../convolution.js'
import { makeDivisible } from '../divisible.js'
import { deepened, type Family, type Scale } from './family.js'

interface Row {
  kernelSize: 3 | 5
  expansion: number
  filters: number
  squeezeExcite: boolean
  activation: Activation
  stride: 1 | 2
  repeats: number
  /** Whether its output is one of the features. */
  feature: boolean
}

type Cells = [Row['kernelSize'], number, number, 'SE' | '-', 'RE' | 'HS', Row['stride'], number, ('feature' | '-')?]

/** The columns of the paper's tables, and what timm's `features_only` taps. */
const rows = (cells: readonly Cells[]): Row[] =>
  cells.map(([kernelSize, expansion, filters, squeezeExcite, activation, stride, repeats, feature]) => ({
    kernelSize,
    expansion,
    filters,
    squeezeExcite: squeezeExcite === 'SE',
    activation: activation === 'HS' ? 'hardSwish' : 'relu',
    stride,
    repeats,
    feature: feature === 'feature',
  }))

/** Howard et al. 2019, table 2, after the stem of 16 channels. */
const small = rows([
  [3, 1, 16, 'SE', 'RE', 2, 1, 'feature'],
  [3, 72 / 16, 24, '-', 'RE', 2, 1],
  [3, 88 / 24, 24, '-', 'RE', 1, 1, 'feature'],
  [5, 4, 40, 'SE', 'HS', 2, 1],
  [5, 6, 40, 'SE', 'HS', 1, 2],
  [5, 3, 48, 'SE', 'HS', 1, 2, 'feature'],
  [5, 6, 96, 'SE', 'HS', 2, 3],
])

/** Howard et al. 2019, table 1, after the stem of 16 channels. */
const large = rows([
  [3, 1, 16, '-', 'RE', 1, 1, 'feature'],
  [3, 4, 24, '-', 'RE', 2, 1],
  [3, 3, 24, '-', 'RE', 1, 1, 'feature'],
  [5, 3, 40, 'SE', 'RE', 2, 3, 'feature'],
  [3, 6, 80, '-', 'HS', 2, 1],
  [3, 2.5, 80, '-', 'HS', 1, 1],
  [3, 2.3, 80, '-', 'HS', 1, 2],
  [3, 6, 112, 'SE', 'HS', 1, 2, 'feature'],
  [5, 6, 160, 'SE', 'HS', 2, 3],
])

const scaled = (filters: number, width: number): number => makeDivisible(filters * width)

/** Keras keeps the stem at every width, timm only below 3/4. */
const stemFilters = ({ width, convention }: Scale): number =>
  convention === 'keras' || width < 0.75 ? 16 : scaled(16, width)

/** The last 1x1 convolution has six times the width before it; timm scales that product, Keras multiplies what is there. */
const lastFilters = (filters: number, { width, convention }: Scale): number =>
  convention === 'keras' ? makeDivisible(6 * scaled(filters, width)) : scaled(6 * filters, width)

const names = (name: string) => (part: string) => ({
  conv: `${name}_${part}`,
  batchNorm: `${name}_${part}_bn`,
  pad: `${name}_${part}_pad`,
})

const family = (table: readonly Row[], stemIsFeature: boolean): Family => {
  const lastRowFilters = table.at(-1)!.filters
  return {
    conventions: ['keras', 'timm'],
    minimalistic: true,
    channels: scale => [
      ...(stemIsFeature ? [stemFilters(scale)] : []),
      ...table.filter(({ feature }) => feature).map(({ filters }) => scaled(filters, scale.width)),
      lastFilters(lastRowFilters, scale),
    ],
    apply: (input, settings) => {
      const { width, depth, minimalistic, block } = settings
      const activationOf = (activation: Activation): Activation => (minimalistic ? 'relu' : activation)
      let x = convBatchNorm(input, {
        ...block,
        name: 'conv',
        batchNormName: 'conv_bn',
        filters: stemFilters(settings),
        kernelSize: 3,
        stride: 2,
        activation: activationOf('hardSwish'),
      })
      const features: SymbolicTensor[] = stemIsFeature ? [x] : []
      let index = 0
      for (const row of table) {
        for (let i = 0; i < deepened(row.repeats, depth); i++) {
          const name = index === 0 ? 'expanded_conv' : `expanded_conv_${index}`
          const inside = row.expansion === 1 ? x.shape[3]! : makeDivisible(x.shape[3]! * row.expansion)
          x = invertedResidual(x, {
            ...block,
            name,
            partNames: names(name),
            filters: scaled(row.filters, width),
            expansion: inside / x.shape[3]!,
            kernelSize: minimalistic ? 3 : row.kernelSize,
            stride: i === 0 ? row.stride : 1,
            activation: activationOf(row.activation),
            squeezeExcite: row.squeezeExcite && !minimalistic ? 1 / 4 : undefined,
          })
          index++
        }
        if (row.feature) features.push(x)
      }
      const last = convBatchNorm(x, {
        ...block,
        name: 'conv_1',
        batchNormName: 'conv_1_bn',
        filters: lastFilters(lastRowFilters, settings),
        activation: activationOf('hardSwish'),
      })
      return [...features, last]
    },
  }
}

export const v3Small = family(small, true)
export const v3Large = family(large, false)
