import type { Effect } from '@fx/runtime-web'
import { element, make } from './element.js'

/** Whether the student listens to a parameter; of one that does not, the value is fixed in it. */
const takes = (effect: Effect, name: string, value: number): boolean => {
  try {
    effect.set({ [name]: value })
    return true
  } catch {
    return false
  }
}

const titled = (name: string): string => name[0]!.toUpperCase() + name.slice(1)

interface Range {
  min: number
  max: number
  value: number
}

const slider = (name: string, { min, max, value }: Range, onValue: (value: number) => void): HTMLElement => {
  const input = make('input', { type: 'range', min: String(min), max: String(max), step: 'any', value: String(value) })
  const output = make('output', { textContent: value.toFixed(2) })
  input.addEventListener('input', () => {
    onValue(input.valueAsNumber)
    output.textContent = input.valueAsNumber.toFixed(2)
  })
  // A label is that of the first of its elements that can have one, and an output can.
  return make('label', { className: 'slider' }, make('span', { textContent: titled(name) }), input, output)
}

/**
 * A slider for each parameter that all of the shown students take. Where none takes a strength the effect is mixed with the
 * picture.
 */
export const showParameters = (effects: readonly Effect[], stage: { mix: number }): void => {
  const taken = Object.entries(effects[0]!.manifest.effect.parameters).filter(([name, { default: value }]) =>
    effects.every(effect => takes(effect, name, value)),
  )
  const sliders = taken.map(([name, { min, max, default: value }]) =>
    slider(name, { min, max, value }, value => {
      for (const effect of effects) effect.set({ [name]: value })
    }),
  )
  if (taken.some(([name]) => name === 'strength')) stage.mix = 1
  else {
    const range = { min: 0, max: 1, value: stage.mix }
    sliders.push(slider('strength', range, value => (stage.mix = value)))
  }
  element('parameters').replaceChildren(...sliders)
}
