import {
  type ClassAttributes,
  type HTMLAttributes,
  type RefCallback,
  useCallback,
  useEffect,
  useRef,
  useState,
} from 'react'
import type { FxEffectElement } from '../element/fx-effect.js'
import type { FrameInfo, PlayerStats } from '../player/stats.js'
import type { EffectPlayer } from '../player/types.js'
import { createShow, type Show, type ShowOptions } from '../show/show.js'
import type { ShowState } from '../show/state.js'

export type { ShowSource } from '../show/open-source.js'
export type { ShowOptions } from '../show/show.js'
export type { FailureReason, ShowState } from '../show/state.js'

export interface UseFxEffectOptions extends ShowOptions {
  /** Whether it runs: `false` frees everything, the camera included. Default true. */
  playing?: boolean
  onFrame?: (frame: FrameInfo) => void
}

export interface FxEffect {
  /** Of the canvas to paint, which takes the picture's size: `<canvas ref={ref} />`. */
  ref: RefCallback<HTMLCanvasElement>
  /** What it is doing, for you to tell the visitor. */
  state: ShowState
  /** While it runs. */
  player: EffectPlayer | undefined
  /** Sets parameters without rendering, until `parameters` changes. Throws as `effect.set`; nothing runs, nothing happens. */
  set(parameters: Readonly<Record<string, number>>): void
  stats(): PlayerStats | undefined
  /** Begins anew after a failure, or when the source has ended. */
  retry(): void
}

/** Of `<fx-effect>`, as React 19 knows it once `@fx/runtime-web/element` is imported. */
type ElementProps = ClassAttributes<FxEffectElement> &
  HTMLAttributes<FxEffectElement> &
  Partial<Omit<FxEffectElement, keyof HTMLElement>> & {
    'onfx-state'?: (event: CustomEvent<ShowState>) => void
    'onfx-frame'?: (event: CustomEvent<FrameInfo>) => void
  }

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'fx-effect': ElementProps
    }
  }
}

const stopped: ShowState = { kind: 'ready', reason: 'stopped', message: 'Nothing runs' }

/**
 * Shows an effect on a canvas of yours. What changes in the options changes with the next frame; another `src` takes over
 * without a black frame. `source` and `faces` that are objects must be the same ones from render to render.
 */
export const useFxEffect = (options: UseFxEffectOptions): FxEffect => {
  const [canvas, ref] = useState<HTMLCanvasElement | null>(null)
  const [state, setState] = useState<ShowState>(stopped)
  const show = useRef<Show>(undefined)
  const { onFrame, playing = true, ...wanted } = options
  const frame = useRef(onFrame)

  useEffect(() => {
    if (canvas === null) return
    const mine = createShow(canvas, { onState: setState, onFrame: info => frame.current?.(info) })
    show.current = mine
    return () => {
      show.current = undefined
      mine.update(undefined)
    }
  }, [canvas])

  // After every render: what stays the same goes on.
  useEffect(() => {
    frame.current = onFrame
    show.current?.update(playing ? wanted : undefined)
  })

  const set = useCallback((parameters: Readonly<Record<string, number>>) => show.current?.effect?.set(parameters), [])
  const stats = useCallback(() => show.current?.player?.stats(), [])
  const retry = useCallback(() => show.current?.retry(), [])
  return { ref, state, player: show.current?.player, set, stats, retry }
}
