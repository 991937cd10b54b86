import { oneOf } from '@fx/core'
import { type Encoder, type MobilenetEncoderOptions, mobilenetEncoder } from '@fx/mobilenet-encoder'
import type { UnetDecoderOptions } from './decoder.js'
import type { Head } from './head.js'

/** A student for a budget: encoder, decoder and head. */
export interface StudentPreset {
  /** The most multiply-accumulates at 256 x 256, millions. */
  readonly budgetMmacs: number
  readonly encoder: Readonly<MobilenetEncoderOptions>
  readonly decoder: Readonly<UnetDecoderOptions>
  readonly head: Head
}

/** Students of four sizes, each the best of many that were measured for its budget. */
export const studentPresets = {
  nano: {
    budgetMmacs: 60,
    encoder: { family: 'v4-conv-small', width: 0.25 },
    decoder: { width: 0.35, skip: 'concat', resolution: 'half', blocks: 0 },
    head: 'alpha',
  },
  small: {
    budgetMmacs: 150,
    encoder: { family: 'v4-conv-small', width: 0.5 },
    decoder: { width: 0.5, skip: 'concat', blocks: 0 },
    head: 'alpha',
  },
  base: {
    budgetMmacs: 350,
    encoder: { family: 'v4-conv-small', width: 0.75 },
    decoder: { width: 1, skip: 'concat', blocks: 0 },
    head: 'alpha',
  },
  large: {
    budgetMmacs: 1200,
    encoder: { family: 'v4-conv-small', width: 1.4 },
    decoder: { width: 1.5, skip: 'concat', blocks: [1, 1, 1, 1, 0] },
    head: 'alpha',
  },
} as const satisfies Record<string, StudentPreset>

export type Preset = keyof typeof studentPresets

/**
 * The options of `unetStudent` that a preset stands for. An encoder of the caller's own takes the place of the preset's.
 *
 * @throws FxError `invalid-argument` for an unknown preset.
 */
export const presetOptions = (
  preset: Preset,
  encoder?: Encoder,
): { encoder: Encoder; decoder: UnetDecoderOptions; head: Head } => {
  const chosen = studentPresets[oneOf('preset', preset, Object.keys(studentPresets) as Preset[])]
  return { encoder: encoder ?? mobilenetEncoder(chosen.encoder), decoder: chosen.decoder, head: chosen.head }
}
