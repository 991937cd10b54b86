import {
  type Effect,
  type EffectPlayer,
  type LoadEffectOptions,
  loadEffect,
  type PlayerSource,
  type PlayerState,
  type PlayOptions,
  playEffect,
} from '../../src/index.js'

/** Colours of the test picture: its left half, its right half. */
const left = [200, 80, 40] as const
const right = [20, 160, 240] as const

export type Colour = readonly [number, number, number]

export const load = (name: string, options: LoadEffectOptions = {}): Promise<Effect> =>
  loadEffect(`/bundles/${name}/`, { engine: 'wasm', threads: 1, wasmPaths: '/wasm/', ...options })

export const newCanvas = (width: number, height = width): HTMLCanvasElement =>
  Object.assign(document.createElement('canvas'), { width, height })

/** Draws the test picture. */
export const drawPicture = (canvas: HTMLCanvasElement): void => {
  const context = canvas.getContext('2d')!
  for (const [i, colour] of [left, right].entries()) {
    context.fillStyle = `rgb(${colour.join(' ')})`
    context.fillRect((i * canvas.width) / 2, 0, canvas.width / 2, canvas.height)
  }
}

export const picture = (width: number, height = width): HTMLCanvasElement => {
  const canvas = newCanvas(width, height)
  drawPicture(canvas)
  return canvas
}

/** The colour of a canvas at a place, from 0 to 1 across and down. */
export const colourAt = (canvas: HTMLCanvasElement, x: number, y = 0.5): Colour => {
  const copy = newCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true })!
  copy.drawImage(canvas, 0, 0, canvas.width, canvas.height)
  const [r, g, b] = copy.getImageData(Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1).data
  return [r!, g!, b!]
}

/** The colours of both halves. */
export const halves = (canvas: HTMLCanvasElement): Colour[] => [colourAt(canvas, 0.25), colourAt(canvas, 0.75)]

export const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

/** Waits until a condition holds. */
export const until = async (what: string, condition: () => boolean): Promise<void> => {
  for (const start = performance.now(); !condition(); await sleep(5))
    if (performance.now() - start > 20_000) throw new Error(`Timed out waiting until ${what}`)
}

/** A player with what it told. */
export interface Played {
  player: EffectPlayer
  canvas: HTMLCanvasElement
  states: PlayerState[]
  frames(): number
  /** Waits for frames more. */
  more(frames: number): Promise<void>
}

export const play = (
  effect: Effect,
  source: PlayerSource,
  options: PlayOptions = {},
  canvas = newCanvas(64),
): Played => {
  const states: PlayerState[] = []
  let frames = 0
  const player = playEffect(effect, source, canvas, {
    ...options,
    onFrame: info => {
      frames++
      options.onFrame?.(info)
    },
    onState: state => states.push(state),
  })
  const more = (wanted: number): Promise<void> => {
    const goal = frames + wanted
    return until(`${wanted} more frames are painted`, () => frames >= goal)
  }
  return { player, canvas, states, frames: () => frames, more }
}
