import type { SymbolicTensor } from '@tensorflow/tfjs-layers'
import type { BatchNormOptions, Padding } from '../convolution.js'

/** Whose channel counts an encoder has where they differ at some width; the layers are named alike. */
export const conventions = ['keras', 'timm'] as const
export type Convention = (typeof conventions)[number]

/** What decides the channels of a family's features. */
export interface Scale {
  width: number
  convention: Convention
}

export interface FamilySettings extends Scale {
  depth: number
  minimalistic: boolean
  /** What every block of the encoder takes. */
  block: { batchNorm: Readonly<BatchNormOptions>; padding: Padding; branches: number; seed: number }
}

/** One generation of MobileNets. */
export interface Family {
  /** The conventions it comes in, the default first. */
  readonly conventions: readonly [Convention, ...Convention[]]
  /** Whether it has a minimalistic variant. */
  readonly minimalistic: boolean
  /** Channels of the five features, fine to coarse. */
  channels(scale: Scale): number[]
  /** Builds the layers; returns the five features, fine to coarse, at strides 2, 4, 8, 16 and 32. */
  apply(input: SymbolicTensor, settings: FamilySettings): SymbolicTensor[]
}

/** A depth multiplier rounds up, and what is there once stays once (timm's rule for first and last stage). */
export const deepened = (repeats: number, depth: number): number => (repeats === 1 ? 1 : Math.ceil(repeats * depth))
