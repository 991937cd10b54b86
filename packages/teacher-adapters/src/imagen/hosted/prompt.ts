import { type EffectSpec, FxError, listed } from '@fx/core'

/** Puts an effect into the words that a model is asked with. */
export interface PromptTemplate {
  /** Changes when the same effect would be put into other words. */
  version: string
  /** The effect's parameters that the words depend on. */
  parameters: readonly string[]
  /** @param parameters the values of one pair, by name. */
  render(effect: EffectSpec, parameters: Readonly<Record<string, number>>): string
}

/** The effect's prompt says what the picture shall show; the rest keeps the pair aligned. */
const EDIT_IN_WORDS =
  'Edit this photograph so that it shows {prompt}. Change nothing else: keep the person, the pose, the framing, the ' +
  'light, the background and every other detail exactly where and as they are.'

/** Imagen takes a description of the result. */
const DESCRIPTION = '{prompt}'

const PLACEHOLDER = /\{([\w-]+)\}/g
const TEXTS = ['prompt', 'negativePrompt']

const number = (value: number): string => String(Math.round(value * 1e4) / 1e4)

/**
 * A template from a text with placeholders: `{prompt}`, `{negativePrompt}`, and any parameter's name. On the Gemini wire,
 * which has no field for it, a negative prompt that the text does not mention is appended.
 *
 * @throws FxError `invalid-argument`; from `render` when the effect lacks a parameter that the text names.
 */
export const promptTemplate = (
  what: string,
  api: 'gemini' | 'vertex-predict',
  given: string | PromptTemplate | undefined,
): PromptTemplate => {
  if (typeof given === 'object') {
    if (typeof given.render === 'function' && typeof given.version === 'string' && Array.isArray(given.parameters)) {
      return given
    }
    throw new FxError('invalid-argument', `${what}: prompt must be a text or have version, parameters and render`)
  }
  const text = given ?? (api === 'gemini' ? EDIT_IN_WORDS : DESCRIPTION)
  const names = [...new Set([...text.matchAll(PLACEHOLDER)].map(match => match[1]!))]
  if (!names.includes('prompt')) {
    throw new FxError('invalid-argument', `${what}: the prompt '${text}' lacks {prompt}, where the effect's own stands`)
  }
  const appends = api === 'gemini' && !names.includes('negativePrompt')
  return {
    version: `${api} ${text}`,
    parameters: names.filter(name => !TEXTS.includes(name)),
    render(effect, parameters) {
      const { prompt, negativePrompt = '' } = effect
      const filled = text.replace(PLACEHOLDER, (_, name: string) => {
        if (name === 'prompt') return prompt
        if (name === 'negativePrompt') return negativePrompt
        const value = parameters[name]
        if (value !== undefined) return number(value)
        throw new FxError(
          'invalid-argument',
          `${what}: the prompt names {${name}}, which the effect '${effect.id}' lacks; it has ${listed(Object.keys(parameters))}`,
        )
      })
      return appends && negativePrompt ? `${filled} Avoid: ${negativePrompt}.` : filled
    },
  }
}
