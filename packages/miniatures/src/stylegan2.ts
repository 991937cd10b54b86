/**
 * A StyleGAN2 of pixel-art portraits, 64 x 64 pixels, with latent edits for the effects `hair-colour`, `background`
 * and `glasses`: what `stylegan2Teacher` of `@fx/teacher-adapters/stylegan2` takes as its options.
 *
 * Trained on drawings after "Pixel Art" by DiceBear, which are CC0; so are the weights and what they draw.
 */
export const stylegan2Portraits = {
  id: 'stylegan2-portraits',
  checkpoint: new URL('../weights/stylegan2-portraits.safetensors', import.meta.url),
  edits: new URL('../weights/stylegan2-portraits.edits.safetensors', import.meta.url),
  /** A new background changes most of a picture that is 16 squares wide. */
  alignment: { maxChanged: 0.85 },
  licence: { id: 'CC0-1.0', url: 'https://creativecommons.org/publicdomain/zero/1.0/' },
} as const
