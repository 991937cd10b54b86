import type { FaceDetector } from '../face/types.js'
import { type Effect, type LoadEffectOptions, loadEffect } from '../load-effect.js'
import { playEffect } from '../play-effect.js'
import type { FrameInfo } from '../player/stats.js'
import type { EffectPlayer } from '../player/types.js'
import { setParameters } from './effect-parameters.js'
import { createFitting } from './fit.js'
import { type OpenedSource, openSource, type ShowSource } from './open-source.js'
import { createSlot, sameKey } from './slot.js'
import { failedState, type Part, type ShowState } from './state.js'

/** What is shown. */
export interface ShowOptions extends Omit<LoadEffectOptions, 'signal'> {
  /** URL of the bundle's folder or of its `effect.json`. Another one takes over without a black frame. */
  src: string | URL
  /** 'camera', `#id` of a video, image or canvas, the URL of a video or picture, or what `playEffect` takes. */
  source: ShowSource
  /** The effect's parameters; those that are not named have their defaults. */
  parameters?: Readonly<Record<string, number>>
  /** As `player.split`. */
  split?: number
  /** As `player.mirror`. */
  mirror?: boolean
  /** Finds the faces for effects with the crop 'face'. Another detector begins anew. */
  faces?: FaceDetector
}

/** An effect that is loaded, played on a source and kept in step with what is asked for. */
export interface Show {
  readonly state: ShowState
  readonly effect: Effect | undefined
  readonly player: EffectPlayer | undefined
  /**
   * Shows this from now on, `undefined` nothing. Of several calls in a row the last counts, and what stays the same goes
   * on. What has failed or ended rests until something else is asked for, or `retry`.
   */
  update(options: ShowOptions | undefined): void
  /** Begins anew with what is asked for. */
  retry(): void
}

export interface ShowListeners {
  onState(state: ShowState): void
  onFrame?(frame: FrameInfo): void
}

type Key = readonly unknown[]

/** What was last set, and of what. */
interface Looks {
  player: EffectPlayer
  effect: Effect
  split: number | undefined
  mirror: boolean
  /** JSON. */
  parameters: string
}

const effectKey = ({ src, engine, threads, wasmPaths, litertPath }: ShowOptions): Key => [
  String(src),
  JSON.stringify([engine, threads, wasmPaths, litertPath]),
]

let advised = false
/** Tells the developer, once, what the visitor need not know. */
const adviseThreads = (effect: Effect): void => {
  const { engine, threads } = effect.stats()
  if (advised || globalThis.crossOriginIsolated || threads > 1 || !/wasm|litert/.test(engine)) return
  advised = true
  // biome-ignore lint/suspicious/noConsole: nothing is wrong, so neither a warning nor an error.
  console.info(
    '@fx/runtime-web computes in one thread: this page is not cross-origin isolated (Cross-Origin-Opener-Policy: same-origin, Cross-Origin-Embedder-Policy: require-corp).',
  )
}

const nothing: ShowState = { kind: 'ready', reason: 'stopped', message: 'Nothing runs' }

/** Shows an effect on a canvas, which takes the size of the picture. */
export const createShow = (canvas: HTMLCanvasElement, { onState, onFrame }: ShowListeners): Show => {
  const effects = createSlot<Effect>(effect => effect.dispose())
  const sources = createSlot<OpenedSource>(opened => opened.close())
  const { fit } = createFitting(canvas)
  let state: ShowState = nothing
  let wanted: ShowOptions | undefined
  let due = false
  /** What it is on its way to. */
  let goal: Key | undefined
  /** What has failed or ended, and is not tried again by itself. */
  let resting: Key | undefined
  /** What plays. */
  let playing: { player: EffectPlayer; effect: Effect; key: Key } | undefined
  /** Whether `playing` is on its way to another effect, whose parameters the options may name already. */
  let switching = false
  let applied: Looks | undefined
  /** Wrong parameters that were told. */
  const told = new Set<string>()

  const tell = (next: ShowState): void => {
    state = next
    onState(next)
  }

  const release = (next: ShowState): void => {
    goal = undefined
    switching = false
    playing?.player.stop()
    playing = undefined
    applied = undefined
    effects.clear()
    sources.clear()
    tell(next)
  }
  const rest = (next: ShowState): void => {
    resting = goal
    release(next)
  }

  /** Sets what is asked for anew: what the page has set by itself since then stays. */
  const applyLooks = ({ parameters = {}, split, mirror = false }: ShowOptions): void => {
    if (playing === undefined || switching) return
    const { player, effect } = playing
    const looks = { player, effect, split, mirror, parameters: JSON.stringify(parameters) }
    const before = applied?.player === player ? applied : undefined
    applied = looks
    if (before === undefined || before.split !== split) player.split = split
    if (before === undefined || before.mirror !== mirror) player.mirror = mirror
    if (before?.effect !== effect || before.parameters !== looks.parameters) setParameters(effect, parameters, told)
  }

  const play = (effect: Effect, { source }: OpenedSource, key: Key, { faces }: ShowOptions): void => {
    /** Held back until the canvas has the picture's size: before, there is nothing worth to be seen. */
    const held: ShowState[] = []
    const player = playEffect(effect, source, canvas, {
      faces,
      onState: next => {
        // Failures come by `done`.
        if (next.kind === 'failed') return
        if (next.reason === 'started' || held.length > 0) held.push(next)
        else tell(next)
      },
      onFrame: info => {
        if (fit(info)) for (const next of held.splice(0)) tell(next)
        onFrame?.(info)
      },
    })
    playing = { player, effect, key }
    const mine = (): boolean => playing?.player === player
    player.done.then(
      () => mine() && rest({ kind: 'ready', reason: 'ended', message: 'The source has ended' }),
      error => mine() && rest(failedState('player', error)),
    )
  }

  const sync = async (options: ShowOptions): Promise<void> => {
    const sourceKey = [options.source, options.faces]
    const key = [...effectKey(options), ...sourceKey]
    if (sameKey(key, resting)) return
    resting = undefined
    if (sameKey(key, goal)) {
      try {
        applyLooks(options)
      } catch (error) {
        rest(failedState('player', error))
      }
      return
    }
    goal = key
    let part: Part = 'player'
    const of = async <T>(which: Part, work: Promise<T>): Promise<T> => {
      try {
        return await work
      } catch (error) {
        if (part === 'player') part = which
        throw error
      }
    }
    const loading = effects.take(effectKey(options), signal => loadEffect(options.src, { ...options, signal }))
    const opening = sources.take([options.source], signal => openSource(options.source, signal))
    const left = (): boolean => goal !== key
    if (playing === undefined) {
      if (options.source === 'camera') {
        tell({ kind: 'starting', reason: 'camera', message: 'Waiting for the camera' })
        opening.then(
          () => left() || tell({ kind: 'starting', reason: 'effect', message: 'Loading the effect' }),
          () => {},
        )
      } else tell({ kind: 'starting', reason: 'effect', message: 'Loading the effect' })
    }
    switching = true
    try {
      const [effect, opened] = await Promise.all([of('effect', loading), of('source', opening)])
      if (left()) return
      adviseThreads(effect)
      const before = playing
      const goesOn = before !== undefined && sameKey(before.key, sourceKey)
      if (!goesOn) before?.player.stop()
      switching = false
      const used = goesOn && before.player.use(effect)
      if (goesOn) playing = { ...before, effect }
      else play(effect, opened, sourceKey, options)
      applyLooks(wanted ?? options)
      if (used) {
        if (!(await used) || left()) return
        tell({ kind: 'running', reason: 'effect-changed', message: `Another effect, on ${effect.stats().engine}` })
      }
      effects.settle()
      sources.settle()
    } catch (error) {
      if (!left()) rest(failedState(part, error))
    }
  }

  const schedule = (): void => {
    if (due) return
    due = true
    queueMicrotask(() => {
      due = false
      if (wanted !== undefined) void sync(wanted)
      else {
        resting = undefined
        if (state.reason !== 'stopped') release(nothing)
      }
    })
  }

  return {
    get state() {
      return state
    },
    get effect() {
      return playing?.effect
    },
    get player() {
      return playing?.player
    },
    update: options => {
      wanted = options
      schedule()
    },
    retry: () => {
      if (goal !== undefined) release(nothing)
      resting = undefined
      schedule()
    },
  }
}
