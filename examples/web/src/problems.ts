import { FxError } from '@fx/core'
import { element } from './element.js'

/** Shows what went wrong, in words that say what to do; nothing hides it again but the next success. */
export const showProblem = (text: string | undefined): void => {
  const shown = element('problem')
  shown.hidden = text === undefined
  shown.textContent = text ?? ''
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Why an effect could not be loaded. */
export const loadProblem = (error: unknown, name: string): string => {
  const detail = messageOf(error)
  if (FxError.isInstance(error, 'not-found')) {
    return `${name} is not there.\nnpm start in the repository distils an effect in a few minutes; or choose another.\n${detail}`
  }
  if (FxError.isInstance(error, 'backend-unavailable')) {
    return `This device cannot compute ${name} that way. Choose another engine.\n${detail}`
  }
  if (FxError.isInstance(error, 'unsupported')) return `This browser is too old for ${name}.\n${detail}`
  if (FxError.isInstance(error, 'service-failed') && !navigator.onLine) {
    return `That needs what was not kept for use without a network. Try again when there is one.\n${detail}`
  }
  return `${name} could not be loaded.\n${detail}`
}

const cameraProblems: Record<string, string> = {
  refused: 'The camera was not allowed. Allow it in the address bar and try again; the sample works without one.',
  insecure: 'Browsers give the camera to pages with HTTPS only. The sample works without one.',
  none: 'This device has no camera. The sample and your own pictures work without one.',
  'in-use': 'The camera is in use by another program. Close that and try again.',
}

/** Why there is no camera picture. */
export const cameraProblem = (error: unknown): string => {
  const reason = FxError.isInstance(error) ? String(error.details?.reason) : ''
  return cameraProblems[reason] ?? `The camera could not be opened.\n${messageOf(error)}`
}

/** Why a picture that was playing has stopped. */
export const playProblem = (error: Error): string =>
  `The effect stopped.\n${error.message}\nChoose an engine to start again.`
