import { FxEffectElement } from './fx-effect.js'

export type { ShowSource } from '../show/open-source.js'
export type { FailureReason, ShowState } from '../show/state.js'
export { FxEffectElement, type FxEffectEventMap } from './fx-effect.js'
export { english, type Words } from './words.js'

// Not where a page has it already, nor where there is none.
if (globalThis.customElements?.get('fx-effect') === undefined) {
  globalThis.customElements?.define('fx-effect', FxEffectElement)
}
