import type { SymbolicTensor } from '@tensorflow/tfjs-layers'
import { fusedInvertedResidual, universalInvertedBottleneck } from '../blocks.js'
import { convBatchNorm } from '../convolution.js'
import { makeDivisible } from '../divisible.js'
import { deepened, type Family, type FamilySettings } from './family.js'

type Block =
  | { kind: 'conv'; kernelSize: number }
  | { kind: 'fused'; kernelSize: number; expansion: number }
  | { kind: 'bottleneck'; startKernelSize: number; middleKernelSize: number; expansion: number }

type Row = Block & { filters: number; stride: 1 | 2; repeats: number }

const conv = (kernelSize: number, filters: number, stride: 1 | 2): Row => ({
  kind: 'conv',
  kernelSize,
  filters,
  stride,
  repeats: 1,
})

const fused = (kernelSize: number, expansion: number, filters: number, stride: 1 | 2): Row => ({
  kind: 'fused',
  kernelSize,
  expansion,
  filters,
  stride,
  repeats: 1,
})

/** The paper's columns: kernels of both depthwise convolutions (0: none), expansion, width, stride, and repeats. */
const bottleneck = (
  startKernelSize: number,
  middleKernelSize: number,
  expansion: number,
  filters: number,
  stride: 1 | 2 = 1,
  repeats = 1,
): Row => ({ kind: 'bottleneck', startKernelSize, middleKernelSize, expansion, filters, stride, repeats })

/** Qin et al. 2024, appendix D, MNv4-Conv-S, after the stem of 32 channels. */
const small: readonly (readonly Row[])[] = [
  [conv(3, 32, 2), conv(1, 32, 1)],
  [conv(3, 96, 2), conv(1, 64, 1)],
  [bottleneck(5, 5, 3, 96, 2), bottleneck(0, 3, 2, 96, 1, 4), bottleneck(3, 0, 4, 96)],
  [
    bottleneck(3, 3, 6, 128, 2),
    bottleneck(5, 5, 4, 128),
    bottleneck(0, 5, 4, 128),
    bottleneck(0, 5, 3, 128),
    bottleneck(0, 3, 4, 128, 1, 2),
  ],
  [conv(1, 960, 1)],
]

/** Qin et al. 2024, appendix D, MNv4-Conv-M, after the stem of 32 channels. */
const medium: readonly (readonly Row[])[] = [
  [fused(3, 4, 48, 2)],
  [bottleneck(3, 5, 4, 80, 2), bottleneck(3, 3, 2, 80)],
  [
    bottleneck(3, 5, 6, 160, 2),
    bottleneck(3, 3, 4, 160, 1, 2),
    bottleneck(3, 5, 4, 160),
    bottleneck(3, 3, 4, 160),
    bottleneck(3, 0, 4, 160),
    bottleneck(0, 0, 2, 160),
    bottleneck(3, 0, 4, 160),
  ],
  [
    bottleneck(5, 5, 6, 256, 2),
    bottleneck(5, 5, 4, 256),
    bottleneck(3, 5, 4, 256, 1, 2),
    bottleneck(0, 0, 4, 256),
    bottleneck(3, 0, 4, 256),
    bottleneck(3, 5, 2, 256),
    bottleneck(5, 5, 4, 256),
    bottleneck(0, 0, 4, 256, 1, 2),
    bottleneck(5, 0, 2, 256),
  ],
  [conv(1, 960, 1)],
]

/** The stage before the last one has stride 32 too: its output is no feature. */
const inner = 3

const scaled = (filters: number, width: number): number => makeDivisible(filters * width)

/** timm keeps the stem below width 1. */
const stemFilters = (width: number): number => (width < 1 ? 32 : scaled(32, width))

const build = (
  input: SymbolicTensor,
  row: Row,
  path: string,
  stride: 1 | 2,
  { width, block }: FamilySettings,
): SymbolicTensor => {
  const shared = { ...block, activation: 'relu', filters: scaled(row.filters, width), stride } as const
  switch (row.kind) {
    case 'conv':
      return convBatchNorm(input, {
        ...shared,
        name: `${path}.conv`,
        batchNormName: `${path}.bn1`,
        kernelSize: row.kernelSize,
      })
    case 'fused': {
      const { kernelSize, expansion } = row
      return fusedInvertedResidual(input, {
        ...shared,
        name: path,
        partNames: part =>
          part === 'expand'
            ? { conv: `${path}.conv_exp`, batchNorm: `${path}.bn1` }
            : { conv: `${path}.conv_pwl`, batchNorm: `${path}.bn2` },
        kernelSize,
        expansion,
      })
    }
    case 'bottleneck': {
      const { startKernelSize, middleKernelSize, expansion } = row
      return universalInvertedBottleneck(input, {
        ...shared,
        name: path,
        partNames: part => ({ conv: `${path}.${part}.conv`, batchNorm: `${path}.${part}.bn` }),
        startKernelSize,
        middleKernelSize,
        expansion,
      })
    }
  }
}

const family = (stages: readonly (readonly Row[])[]): Family => ({
  conventions: ['timm'],
  minimalistic: false,
  channels: ({ width }) => [
    stemFilters(width),
    ...stages.filter((_, stage) => stage !== inner).map(rows => scaled(rows.at(-1)!.filters, width)),
  ],
  apply: (input, settings) => {
    const { width, depth, block } = settings
    let x = convBatchNorm(input, {
      ...block,
      name: 'conv_stem',
      batchNormName: 'bn1',
      filters: stemFilters(width),
      kernelSize: 3,
      stride: 2,
      activation: 'relu',
    })
    const features = [x]
    stages.forEach((rows, stage) => {
      let index = 0
      for (const row of rows) {
        for (let i = 0; i < deepened(row.repeats, depth); i++) {
          x = build(x, row, `blocks.${stage}.${index}`, i === 0 ? row.stride : 1, settings)
          index++
        }
      }
      if (stage !== inner) features.push(x)
    })
    return features
  },
})

export const v4ConvSmall = family(small)
export const v4ConvMedium = family(medium)
