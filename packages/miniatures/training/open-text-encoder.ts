import { openTextEncoder, type TextEncoder } from '@fx/teacher-adapters/imagen'

const at = (name: string): URL => new URL(`../weights/imagen-portraits.${name}`, import.meta.url)

/** The miniature's text encoder, frozen. */
export const openPortraitTextEncoder = (): Promise<TextEncoder> =>
  openTextEncoder({ checkpoint: at('text.safetensors'), tokenizer: at('tokenizer.json') })
