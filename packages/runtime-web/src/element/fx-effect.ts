import { FxError } from '@fx/core'
import type { EngineName } from '../engine/types.js'
import type { FaceDetector } from '../face/types.js'
import type { Effect, LoadEffectOptions } from '../load-effect.js'
import type { FrameInfo, PlayerStats } from '../player/stats.js'
import type { EffectPlayer } from '../player/types.js'
import { parametersOf, rangesOf } from '../show/effect-parameters.js'
import type { ShowSource } from '../show/open-source.js'
import { createShow, type Show, type ShowOptions } from '../show/show.js'
import type { ShowState } from '../show/state.js'
import { createView, type View } from './view.js'
import type { Words } from './words.js'

/** What `<fx-effect>` tells; `fx-state` bubbles. */
export interface FxEffectEventMap {
  'fx-state': CustomEvent<ShowState>
  'fx-frame': CustomEvent<FrameInfo>
}

// Imported where there is no page, by a server that renders, this is a class that nobody makes.
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement

const properties = [
  'source',
  'engine',
  'wasmPaths',
  'parameters',
  'faces',
  'split',
  'words',
  'src',
  'threads',
  'litertPath',
  'mirror',
  'controls',
  'autostart',
] as const

const fraction = (value: number): number => Math.min(1, Math.max(0, value))

/**
 * `<fx-effect>`: shows an effect on a camera, a video or a picture, tells a visitor what it is doing, and frees everything
 * when it leaves the page. Attributes and properties may change at any time. See the README for all of them.
 */
export class FxEffectElement extends Base {
  static readonly observedAttributes = [
    'src',
    'source',
    'engine',
    'threads',
    'wasm-paths',
    'litert-path',
    'parameters',
    'split',
    'mirror',
    'controls',
    'autostart',
  ]

  /** What elements without the attribute take. */
  static defaults: Pick<LoadEffectOptions, 'engine' | 'threads' | 'wasmPaths' | 'litertPath' | 'worker'> = {}

  readonly #view: View
  readonly #show: Show
  /** What only properties can hold. */
  #source: Exclude<ShowSource, string> | undefined
  #wasmPaths: Record<string, string> | undefined
  #parameters: Readonly<Record<string, number>> = {}
  #faces: FaceDetector | undefined
  #words: Partial<Words> = {}
  #split: number | undefined
  #started = false
  /** Whether it was in the page before: then it goes on as it was. */
  #known = false

  constructor() {
    super()
    this.#view = createView(this.attachShadow({ mode: 'open' }), {
      onStart: () => this.start(),
      onStop: () => this.stop(),
      onReload: () => globalThis.location.reload(),
      onSplit: split => {
        this.split = split
      },
      onParameter: (name, value) => {
        this.parameters = { ...this.#parameters, [name]: value }
      },
    })
    this.#show = createShow(this.#view.canvas, {
      onState: state => this.#told(state),
      onFrame: info => {
        this.#view.ratio(info.width, info.height)
        this.dispatchEvent(new CustomEvent('fx-frame', { detail: info }))
      },
    })
  }

  /** URL of the bundle's folder, or of its `effect.json`. */
  get src(): string {
    return this.getAttribute('src') ?? ''
  }
  set src(value: string) {
    this.setAttribute('src', value)
  }

  /** 'camera', `#id` of a video, image or canvas of the page, the URL of a video or picture; or what `playEffect` takes. */
  get source(): ShowSource | undefined {
    return this.#source ?? this.getAttribute('source') ?? undefined
  }
  set source(value: ShowSource | undefined) {
    this.#source = typeof value === 'string' ? undefined : value
    this.#reflect('source', typeof value === 'string' ? value : undefined)
  }

  /** As `loadEffect`; in the attribute, several are separated by spaces. */
  get engine(): NonNullable<LoadEffectOptions['engine']> {
    const names = this.getAttribute('engine')?.trim().split(/\s+/) as EngineName[] | undefined
    if (names === undefined) return FxEffectElement.defaults.engine ?? 'auto'
    return names.length === 1 ? names[0]! : names
  }
  set engine(value: LoadEffectOptions['engine']) {
    this.#reflect('engine', typeof value === 'object' ? value.join(' ') : value)
  }

  get threads(): number | undefined {
    const value = this.getAttribute('threads')
    return value === null ? FxEffectElement.defaults.threads : Number(value)
  }
  set threads(value: number | undefined) {
    this.#reflect('threads', value)
  }

  get wasmPaths(): LoadEffectOptions['wasmPaths'] {
    return this.#wasmPaths ?? this.getAttribute('wasm-paths') ?? FxEffectElement.defaults.wasmPaths
  }
  set wasmPaths(value: LoadEffectOptions['wasmPaths']) {
    this.#wasmPaths = typeof value === 'string' ? undefined : value
    this.#reflect('wasm-paths', typeof value === 'string' ? value : undefined)
  }

  get litertPath(): string | undefined {
    return this.getAttribute('litert-path') ?? FxEffectElement.defaults.litertPath
  }
  set litertPath(value: string | undefined) {
    this.#reflect('litert-path', value)
  }

  /** The effect's parameters; those that are not named have their defaults. In the attribute, JSON. */
  get parameters(): Readonly<Record<string, number>> {
    return this.#parameters
  }
  set parameters(value: Readonly<Record<string, number>>) {
    this.#parameters = { ...value }
    this.#changed()
  }

  /** Left of this part of the width, 0 to 1, is the picture before; a slider moves it. */
  get split(): number | undefined {
    return this.#split
  }
  set split(value: number | undefined) {
    this.#split = value === undefined || Number.isNaN(value) ? undefined : fraction(value)
    this.#changed()
  }

  get mirror(): boolean {
    return this.hasAttribute('mirror')
  }
  set mirror(value: boolean) {
    this.toggleAttribute('mirror', value)
  }

  /** Whether there are buttons and sliders below the picture. */
  get controls(): boolean {
    return this.hasAttribute('controls')
  }
  set controls(value: boolean) {
    this.toggleAttribute('controls', value)
  }

  /** Starts in the page without being asked; not what moves, where visitors prefer reduced motion. */
  get autostart(): boolean {
    return this.hasAttribute('autostart')
  }
  set autostart(value: boolean) {
    this.toggleAttribute('autostart', value)
  }

  /** Finds the faces for effects with the crop 'face'; stays yours. */
  get faces(): FaceDetector | undefined {
    return this.#faces
  }
  set faces(value: FaceDetector | undefined) {
    this.#faces = value
    this.#changed()
  }

  /** Other words, in another language say, in place of the English ones. */
  get words(): Partial<Words> {
    return this.#words
  }
  set words(value: Partial<Words>) {
    this.#words = value
    this.#view.words(value)
  }

  get state(): ShowState {
    return this.#show.state
  }
  /** While it runs. */
  get effect(): Effect | undefined {
    return this.#show.effect
  }
  /** While it runs. */
  get player(): EffectPlayer | undefined {
    return this.#show.player
  }

  stats(): PlayerStats | undefined {
    return this.#show.player?.stats()
  }

  start(): void {
    const { kind, reason } = this.state
    if (kind === 'failed' || reason === 'ended' || reason === 'camera-lost') this.#show.retry()
    this.#started = true
    this.#changed()
  }

  /** Frees everything, the camera included. */
  stop(): void {
    this.#started = false
    this.#changed()
  }

  /**
   * The picture as a video track, which ends with this run.
   *
   * @throws FxError `invalid-argument` when nothing runs; as `player.track`.
   */
  track(frameRate?: number): MediaStreamTrack {
    const { player } = this.#show
    if (player === undefined) throw new FxError('invalid-argument', 'The effect is not running')
    return player.track(frameRate)
  }

  connectedCallback(): void {
    // Properties that were set before the element was defined.
    for (const name of properties) {
      const given = Object.getOwnPropertyDescriptor(this, name)
      if (given === undefined) continue
      Reflect.deleteProperty(this, name)
      Object.assign(this, { [name]: given.value })
    }
    if (!this.#known) this.#autostart()
    this.#known = true
    this.#changed()
  }

  disconnectedCallback(): void {
    // An element that is only moved is back before this is looked at.
    this.#changed()
  }

  attributeChangedCallback(name: string, before: string | null, value: string | null): void {
    if (before === value) return
    if (name === 'source' && value !== null) this.#source = undefined
    if (name === 'wasm-paths' && value !== null) this.#wasmPaths = undefined
    if (name === 'split') this.split = value === null ? undefined : value === '' ? 0.5 : Number(value)
    if (name === 'parameters') this.#parse(value)
    if (name === 'autostart' && this.#known) this.#autostart()
    this.#changed()
  }

  override addEventListener<Name extends keyof FxEffectEventMap>(
    type: Name,
    listener: (this: FxEffectElement, event: FxEffectEventMap[Name]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void
  override addEventListener(...listener: Parameters<HTMLElement['addEventListener']>): void {
    super.addEventListener(...listener)
  }

  #reflect(name: string, value: string | number | undefined): void {
    if (value === undefined) this.removeAttribute(name)
    else this.setAttribute(name, String(value))
    this.#changed()
  }

  #parse(json: string | null): void {
    try {
      this.parameters = JSON.parse(json ?? '{}')
    } catch (error) {
      console.warn(`<fx-effect parameters> is not JSON: ${(error as Error).message}`)
    }
  }

  #autostart(): void {
    if (!this.autostart) return
    const { source } = this
    const still =
      typeof source === 'object'
        ? source instanceof HTMLImageElement
        : /^data:image|\.(png|jpe?g|webp|avif)(\?|$)/i.test(source ?? '')
    this.#started ||= still || !matchMedia('(prefers-reduced-motion: reduce)').matches
  }

  /** Brings the show and the view in step with the properties. */
  #changed(): void {
    const { src, source, engine, threads, wasmPaths, litertPath, mirror, faces, parameters, split } = this
    const { worker } = FxEffectElement.defaults
    const shows = this.#started && this.isConnected && src !== '' && source !== undefined
    const options: ShowOptions | undefined = shows
      ? { src, source, engine, threads, wasmPaths, litertPath, worker, mirror, faces, parameters, split }
      : undefined
    this.#show.update(options)
    this.#view.controls(this.controls, source === 'camera')
    this.#lookChanged()
  }

  #lookChanged(): void {
    const { effect } = this
    this.#view.parameters(
      effect === undefined ? {} : rangesOf(effect),
      effect === undefined ? {} : parametersOf(effect),
    )
    this.#view.split(effect === undefined ? undefined : this.#split)
  }

  #told(state: ShowState): void {
    if (state.kind === 'failed') console.error(`<fx-effect>: ${state.message}`, state.error)
    this.#view.label(this.effect?.manifest.card.name)
    this.#view.state(state)
    if (state.reason === 'quality-changed') this.#view.quality(this.#isBest())
    this.#lookChanged()
    this.dispatchEvent(new CustomEvent('fx-state', { detail: state, bubbles: true }))
  }

  #isBest(): boolean {
    const { input } = this.effect!.manifest
    const { size, detectEvery, frameRate } = this.stats()!.quality
    return size.width === input.width && detectEvery === 1 && frameRate === undefined
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'fx-effect': FxEffectElement
  }
}
