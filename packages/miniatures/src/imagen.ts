import { PORTRAIT_EFFECTS, type PortraitEffect, portraitPrompts } from './captions.js'

const at = (name: string): URL => new URL(`../weights/imagen-portraits.${name}`, import.meta.url)

/**
 * A text-conditioned diffusion cascade of pixel-art portraits, 16 and then 64 x 64 pixels, with its text encoder: what
 * `imagenTeacher` of `@fx/teacher-adapters/imagen` takes as its options. The effects are those that captions know:
 * `hair-colour`, `skin-colour`, `background` and `glasses`.
 *
 * Trained on drawings after "Pixel Art" by DiceBear, which are CC0; so are the weights and what they draw.
 */
export const imagenPortraits = {
  id: 'imagen-portraits',
  stages: [at('16.safetensors'), at('64.safetensors')],
  text: { checkpoint: at('text.safetensors'), tokenizer: at('tokenizer.json') },
  /** A caption of a person by seed, and the same with the effect's words in it. */
  prompts: ({ id }: { id: string }, seed: number) => portraitPrompts(id as PortraitEffect, seed),
  effects: PORTRAIT_EFFECTS,
  method: { kind: 'shared-noise', shared: 1 / 12, keepUnchanged: 16 },
  sampling: [
    { sampler: { kind: 'dpm-solver++', steps: 12 }, guidance: 2.5 },
    { sampler: { kind: 'dpm-solver++', steps: 4 }, noiseLevel: 100 },
  ],
  /** Networks this small spend half of their time on starting operations. */
  batchSize: 8,
  /** A new background changes most of a picture that is 16 squares wide, and every square counts. */
  alignment: { maxChanged: 0.85, maxDrift: 12 },
  licence: { id: 'CC0-1.0', url: 'https://creativecommons.org/publicdomain/zero/1.0/' },
} as const
