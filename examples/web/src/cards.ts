import type { Choice } from './choices.js'
import { element, make } from './element.js'

/** The effects as cards, of which one is chosen. */
export const createCards = (onChoice: (choice: Choice) => void) => {
  const inputs = new Map<string, HTMLInputElement>()
  return {
    add: (choice: Choice): void => {
      const { id, name, note, pictures } = choice
      const input = make('input', { type: 'radio', name: 'effect', value: id })
      input.addEventListener('change', () => onChoice(choice))
      inputs.set(id, input)
      const words = make(
        'span',
        { className: 'words' },
        make('b', { textContent: name }),
        make('small', { textContent: note }),
      )
      const images = make('span', { className: 'images' }, ...pictures.map(src => make('img', { src, alt: '' })))
      element('effects').append(make('label', { className: 'card' }, input, images, words))
    },
    choose: (id: string): void => {
      const input = inputs.get(id)
      if (input === undefined) return
      input.checked = true
      // On a phone the cards are a strip, which is wider than the screen.
      const card = input.parentElement!
      const strip = element('effects')
      strip.scrollTo({ left: card.offsetLeft - (strip.clientWidth - card.clientWidth) / 2 })
    },
  }
}
