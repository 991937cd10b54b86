import { type Effect, type EffectPlayer, type PlayerState, playEffect } from '@fx/runtime-web'
import { element, make } from './element.js'
import type { Source } from './sources.js'

/** An effect with its place on the stage. */
export interface Shown {
  effect: Effect
  caption: string
}

export interface StageEvents {
  onFrame(view: number, totalMs: number): void
  onState(state: PlayerState): void
}

interface View {
  figure: HTMLElement
  canvas: HTMLCanvasElement
  caption: HTMLElement
  playing: { player: EffectPlayer; effect: Effect; caption: string } | undefined
  aspect: number
}

/** Longest side of a canvas, pixels: what a video shows, no more. */
const side = 640

const setAspect = (view: View, aspect: number): void => {
  if (Math.abs(view.aspect / aspect - 1) < 0.01) return
  view.aspect = aspect
  view.figure.style.setProperty('--aspect', String(aspect))
  const scale = side / Math.max(aspect, 1)
  view.canvas.width = Math.round(aspect * scale)
  view.canvas.height = Math.round(scale)
}

/** The canvases, beside each other, and the players that paint them. */
export const createStage = ({ onFrame, onState }: StageEvents) => {
  const root = element('views')
  const slider = element<HTMLInputElement>('split')
  const views: View[] = []
  let source: Source | undefined
  let comparing = true
  let mix = 1

  const part = (): number | undefined => (comparing ? slider.valueAsNumber / 100 : undefined)
  const showSplit = (): void => {
    root.style.setProperty('--split', `${slider.value}%`)
    for (const { playing } of views) if (playing !== undefined) playing.player.split = part()
  }
  slider.addEventListener('input', showSplit)
  showSplit()

  const addView = (): void => {
    const canvas = make('canvas')
    const caption = make('figcaption')
    const figure = make('figure', { className: 'view' }, canvas, caption)
    slider.before(figure)
    const view = { figure, canvas, caption, playing: undefined, aspect: 0 }
    setAspect(view, 4 / 3)
    views.push(view)
  }

  const setCount = (count: number): void => {
    while (views.length < count) addView()
    for (const view of views.splice(count)) {
      view.playing?.player.stop()
      view.figure.remove()
    }
    root.style.setProperty('--views', String(count))
  }

  const start = (view: View, index: number, { effect, caption }: Shown, from: Source): Promise<boolean> =>
    new Promise(resolve => {
      view.playing?.player.stop()
      const player = playEffect(effect, from.playable, view.canvas, {
        split: part(),
        mix,
        mirror: from.mirror,
        onFrame: ({ width, height, totalMs }) => {
          setAspect(view, width / height)
          resolve(true)
          onFrame(index, totalMs)
        },
        onState,
      })
      view.playing = { player, effect, caption }
      player.done.then(
        () => resolve(false),
        () => resolve(false),
      )
    })

  return {
    /** Shows effects on a source, and settles when each has painted a frame. The source stays the caller's. */
    show: async (shown: readonly Shown[], from: Source): Promise<void> => {
      const same = source === from
      source = from
      setCount(shown.length)
      await Promise.all(
        shown.map(({ effect, caption }, i) => {
          const view = views[i]!
          view.caption.textContent = shown.length > 1 ? caption : ''
          view.canvas.setAttribute('aria-label', `${caption}, live`)
          view.canvas.setAttribute('role', 'img')
          if (!same) setAspect(view, effect.manifest.crop === 'centre-square' ? 1 : from.aspect)
          const { playing } = view
          if (!same || playing === undefined) return start(view, i, { effect, caption }, from)
          view.playing = { ...playing, effect, caption }
          return playing.player.use(effect)
        }),
      )
    },
    /** After a failure the players are made anew. */
    forget: (): void => {
      source = undefined
    },
    /** How much of the effect shows, 0 to 1, mixed with the picture. */
    get mix() {
      return mix
    },
    set mix(value: number) {
      mix = value
      for (const { playing } of views) if (playing !== undefined) playing.player.mix = value
    },
    compare: (on: boolean): void => {
      comparing = on
      root.classList.toggle('comparing', on)
      slider.hidden = !on
      showSplit()
    },
    playing: () => views.flatMap(({ playing }) => playing ?? []),
    canvases: (): HTMLCanvasElement[] => views.map(({ canvas }) => canvas),
    /** Shown until the first frame is there. */
    poster: (url: string | undefined): void => {
      if (url === undefined) root.style.removeProperty('--poster')
      else root.style.setProperty('--poster', `url(${JSON.stringify(url)})`)
    },
  }
}
