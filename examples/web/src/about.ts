import type { Effect } from '@fx/runtime-web'
import { element, make } from './element.js'

const facts = ({ manifest }: Effect): [string, string][] => {
  const { card, effect, files, input, studentSpecHash } = manifest
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  return [
    ['Asked for', `“${effect.prompt}”`],
    ['Teacher', `${card.provenance.teacher} ${card.provenance.teacherVersion}`],
    ['Student', `${input.width} × ${input.height} pixels, spec ${studentSpecHash.slice(0, 12)}`],
    ['Bundle', `${(bytes / 1e6).toFixed(1)} MB`],
    ['Licence', card.licence],
  ]
}

const sheet = (effect: Effect): HTMLElement => {
  const { name, description } = effect.manifest.card
  const rows = facts(effect).flatMap(([term, words]) => [make('dt', {}, term), make('dd', {}, words)])
  return make('article', {}, make('h3', { textContent: name }), make('p', {}, description), make('dl', {}, ...rows))
}

/** The model cards of what is on the stage. */
export const showAbout = (effects: readonly Effect[]): void => {
  const specs = new Set(effects.map(({ manifest }) => manifest.studentSpecHash))
  const same = make('p', {
    className: 'same',
    textContent:
      'Both students have one spec, and so the same architecture and cost. They differ in nothing but the teacher.',
  })
  element('about').replaceChildren(...(effects.length > 1 && specs.size === 1 ? [same] : []), ...effects.map(sheet))
}
