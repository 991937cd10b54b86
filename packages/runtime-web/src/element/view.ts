import type { EffectSpec } from '@fx/core'
import type { ShowState } from '../show/state.js'
import { style } from './style.js'
import { english, type Words } from './words.js'

const template = `<style>${style}</style>
<div class="stage" part="stage" tabindex="-1">
  <canvas part="canvas" role="img"></canvas>
  <input class="split" part="split" type="range" min="0" max="100" step="1" hidden>
  <p class="note" part="note" role="status"></p>
  <div class="panel" part="panel">
    <p part="message" role="status"></p>
    <div class="progress" part="progress" hidden></div>
    <button part="button start" type="button" hidden></button>
  </div>
</div>
<div class="controls" part="controls" hidden>
  <button class="toggle" part="button stop" type="button"></button>
  <button class="compare" part="button compare" type="button"></button>
  <div class="sliders"></div>
</div>`

/** What a visitor does to the element. */
export interface ViewListeners {
  onStart(): void
  onStop(): void
  onReload(): void
  onSplit(split: number | undefined): void
  onParameter(name: string, value: number): void
}

/** What the element looks like. */
export interface View {
  readonly canvas: HTMLCanvasElement
  words(words: Partial<Words>): void
  state(state: ShowState): void
  /** Whether all is at its best. */
  quality(best: boolean): void
  /** The name of the picture: of the effect. */
  label(name: string | undefined): void
  ratio(width: number, height: number): void
  split(split: number | undefined): void
  /** Whether there are controls, whether the start is that of a camera. */
  controls(shown: boolean, camera: boolean): void
  parameters(ranges: EffectSpec['parameters'], values: Readonly<Record<string, number>>): void
}

/** How long a note stays, ms. */
const noteMs = 6000

/** 'hair-colour' and 'hairColour' as a person writes them. */
const spelled = (name: string): string => {
  const words = name
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replace(/[-_]+/g, ' ')
    .toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

export const createView = (root: ShadowRoot, listeners: ViewListeners): View => {
  root.innerHTML = template
  const find = <T extends HTMLElement>(selector: string): T => root.querySelector<T>(selector)!
  const stage = find('.stage')
  const canvas = find<HTMLCanvasElement>('canvas')
  const slider = find<HTMLInputElement>('.split')
  const note = find('.note')
  const message = find('.panel p')
  const progress = find('.progress')
  const action = find<HTMLButtonElement>('.panel button')
  const bar = find('.controls')
  const toggle = find<HTMLButtonElement>('.toggle')
  const compare = find<HTMLButtonElement>('.compare')
  const sliders = find('.sliders')
  let words: Words = english
  let shown: ShowState = { kind: 'ready', reason: 'stopped', message: '' }
  let camera = false
  let name: string | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  const say = (text: string, stays = false): void => {
    clearTimeout(timer)
    note.textContent = text
    if (!stays && text !== '') timer = setTimeout(() => say(''), noteMs)
  }
  const startWord = (): string => (camera ? words.startCamera : words.start)

  /** The words on the panel and on its button; none where the picture speaks for itself. */
  const panelOf = ({ kind, reason }: ShowState): [message: string, action: string] => {
    if (kind === 'ready') return [reason === 'ended' ? words.ended : '', startWord()]
    if (kind === 'starting') return [words[`starting ${reason}`], '']
    if (kind === 'failed') return [words[reason], reason === 'effect-newer' ? words.reload : words.retry]
    return reason === 'camera-lost' ? [words[reason], words.retry] : ['', '']
  }

  const render = (): void => {
    const { kind, reason } = shown
    const busy = kind !== 'ready' && kind !== 'failed'
    const [text, actionText] = panelOf(shown)
    stage.classList.toggle('seen', kind === 'running' || kind === 'waiting')
    stage.classList.toggle('covered', reason === 'camera-lost')
    if (message.textContent !== text) message.textContent = text
    progress.hidden = kind !== 'starting'
    const focused = root.activeElement
    action.textContent = actionText
    action.hidden = actionText === ''
    toggle.textContent = words.stop
    toggle.hidden = !busy
    compare.hidden = !busy
    // Focus would fall out of the element with the button that had it.
    if (focused instanceof HTMLElement && focused.hidden)
      [action, toggle, stage].find(({ hidden, parentElement }) => !hidden && !parentElement?.hidden)!.focus()
    compare.textContent = words.compare
    slider.ariaLabel = words.split
    canvas.ariaLabel = name ?? words.picture
  }

  action.addEventListener('click', () => (shown.reason === 'effect-newer' ? listeners.onReload() : listeners.onStart()))
  toggle.addEventListener('click', listeners.onStop)
  slider.addEventListener('input', () => listeners.onSplit(slider.valueAsNumber / 100))
  compare.addEventListener('click', () => listeners.onSplit(slider.hidden ? 0.5 : undefined))

  const addSlider = (parameter: string, { min, max }: EffectSpec['parameters'][string]): HTMLInputElement => {
    const label = document.createElement('label')
    label.setAttribute('part', 'parameter')
    const input = document.createElement('input')
    Object.assign(input, { type: 'range', min, max, step: (max - min) / 100 })
    input.dataset.name = parameter
    const output = document.createElement('output')
    // A screen reader reads the value of the slider itself.
    output.ariaHidden = 'true'
    label.append(Object.assign(document.createElement('span'), { textContent: spelled(parameter) }), input, output)
    input.addEventListener('input', () => listeners.onParameter(parameter, input.valueAsNumber))
    sliders.append(label)
    return input
  }

  render()
  return {
    canvas,
    words: given => {
      words = { ...english, ...given }
      render()
    },
    state: state => {
      shown = state
      const { reason } = state
      if (reason === 'no-face') say(words[reason], true)
      else if (reason === 'engine-changed' || reason === 'camera-returned') say(words[reason])
      else if (reason !== 'quality-changed') say('')
      render()
    },
    quality: best => say(best ? words['quality-restored'] : words['quality-lowered']),
    label: given => {
      name = given
      render()
    },
    ratio: (width, height) => stage.style.setProperty('--_ratio', `${width} / ${height}`),
    split: split => {
      slider.hidden = split === undefined
      compare.ariaPressed = String(split !== undefined)
      if (split === undefined) return
      slider.valueAsNumber = split * 100
      slider.setAttribute('aria-valuetext', `${Math.round(split * 100)} %`)
    },
    controls: (visible, ofCamera) => {
      bar.hidden = !visible
      camera = ofCamera
      render()
    },
    parameters: (ranges, values) => {
      const names = Object.keys(ranges)
      const present = [...sliders.querySelectorAll('input')]
      const same = names.length === present.length && present.every(({ dataset }, i) => dataset.name === names[i])
      if (!same) sliders.replaceChildren()
      const inputs = same ? present : names.map(name => addSlider(name, ranges[name]!))
      for (const input of inputs) {
        const value = values[input.dataset.name!]!
        input.valueAsNumber = value
        input.nextElementSibling!.textContent = String(Number(value.toPrecision(3)))
      }
    },
  }
}
