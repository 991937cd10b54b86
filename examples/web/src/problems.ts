import { FxError } from '@fx/core'

const element = document.querySelector<HTMLParagraphElement>('#problem')!

/** Shows what went wrong, in words that say what to do; nothing hides it again but the next success. */
export const showProblem = (text: string | undefined): void => {
  element.hidden = text === undefined
  element.textContent = text ?? ''
}

/** Why the effect could not be loaded. */
export const loadProblem = (error: unknown): string => {
  if (FxError.isInstance(error, 'not-found')) {
    return 'There is no effect here yet.\nRun npm start in the repository: it distils one in a few minutes. Then reload this page.'
  }
  const detail = error instanceof Error ? error.message : String(error)
  if (FxError.isInstance(error, 'backend-unavailable')) return `This device cannot compute the effect.\n${detail}`
  if (FxError.isInstance(error, 'unsupported')) return `This browser is too old for the effect.\n${detail}`
  return `The effect could not be loaded.\n${detail}`
}

/** Why there is no camera picture. */
export const cameraProblem = (error: unknown): string => {
  const name = error instanceof Error ? error.name : ''
  if (name === 'NotAllowedError') return 'The camera was not allowed. Allow it in the address bar and try again.'
  if (name === 'NotFoundError') return 'This device has no camera. The portraits above work without one.'
  if (name === 'NotReadableError') return 'The camera is in use by another program.'
  return `The camera stopped: ${error instanceof Error ? error.message : String(error)}`
}
