import type { Effect, EffectPlayer, PlayerStats } from '@fx/runtime-web'
import { element, make } from './element.js'
import { engineNames } from './engines.js'

const ms = (value: number): string => `${value.toFixed(1)} ms`
const size = ({ width, height }: Size): string => `${width} × ${height}`

interface Size {
  width: number
  height: number
}

/** The stages that follow each other, as they are called on the page. */
const stageNames = { capture: 'take', crop: 'crop', student: 'student', composite: 'compose', present: 'show' } as const

/** What was lowered, and why; undefined when nothing is. */
const lowered = ({ quality }: PlayerStats, full: Size): string | undefined => {
  const { size: now, detectEvery, frameRate, changes } = quality
  if (now.width === full.width && detectEvery === 1 && frameRate === undefined) return undefined
  const parts = [
    `the student sees ${size(now)} pixels`,
    ...(detectEvery > 1 ? [`faces are looked for on every ${detectEvery}th frame`] : []),
    ...(frameRate === undefined ? [] : [`at most ${frameRate} frames a second`]),
  ]
  const reason = changes.at(-1)?.reason
  return `Quality was lowered: ${parts.join(', ')}${reason === undefined ? '' : `; ${reason}`}.`
}

/** @param brief leaves out what matters less beside another. */
const sentences = (stats: PlayerStats, rate: number, full: Size, brief: boolean): string[] => {
  const { engine, threads, frames, dropped, memory, stages } = stats
  const workers = threads === 1 ? 'one thread' : `${threads} threads`
  const { p50Ms, p95Ms } = stages.total
  const speed = [
    `${engineNames[engine]}${engine === 'webgpu' || engine === 'webgl' ? '' : ` with ${workers}`}, ${rate} frames a second.`,
    `Taken to shown: half of the frames within ${ms(p50Ms)}, 95 % within ${ms(p95Ms)}.`,
  ]
  const less = lowered(stats, full)
  if (brief) return less === undefined ? speed : [...speed, less]
  return [
    ...speed,
    dropped === 0
      ? `${frames} frames shown, none left out.`
      : `${frames} frames shown, ${dropped} left out because newer ones had come.`,
    less ?? `Full quality: the student sees ${size(full)} pixels.`,
    `${memory.tensors} tensor${memory.tensors === 1 ? '' : 's'}, ${(memory.bytes / 1e6).toFixed(1)} MB.`,
  ]
}

const stageBar = ({ stages }: PlayerStats): HTMLElement => {
  const parts = Object.entries(stageNames).map(([stage, name]) => ({
    name,
    p50Ms: stages[stage as keyof typeof stageNames].p50Ms,
  }))
  const bar = make('div', { className: 'stage-bar' })
  for (const { name, p50Ms } of parts) {
    const part = make('span', { title: `${name}: ${ms(p50Ms)}` })
    part.style.flexGrow = String(Math.max(p50Ms, 0.05))
    bar.append(part)
  }
  const words = parts.map(({ name, p50Ms }) => make('span', {}, `${name} ${p50Ms.toFixed(1)}`))
  return make('div', {}, bar, make('p', { className: 'stage-words' }, ...words))
}

/** When the first picture with an effect was on the screen, ms from navigation: the mark `fx-first-frame`. */
export const markFirstFrame = (): void => {
  if (performance.getEntriesByName('fx-first-frame').length === 0) performance.mark('fx-first-frame')
}

/** Counts the frames of the last second. */
export const createRate = () => {
  const times: number[] = []
  const forget = (now: number): void => {
    while (times.length > 0 && now - times[0]! > 1000) times.shift()
  }
  return {
    add: (): void => {
      const now = performance.now()
      times.push(now)
      forget(now)
    },
    count: (): number => {
      forget(performance.now())
      return times.length
    },
  }
}

/** An effect that plays, with the frames of the last second. */
export interface Playing {
  player: EffectPlayer
  effect: Effect
  caption: string
  rate: number
}

/** Says in words how the players do. */
export const showFigures = (playing: readonly Playing[]): void => {
  const brief = playing.length > 1
  const all = playing.map(({ player }) => player.stats())
  const lines = playing.flatMap(({ effect, caption, rate }, i) => {
    const [head, ...rest] = sentences(all[i]!, rate, effect.manifest.input, brief)
    return [brief ? `${caption}: ${head}` : head!, ...rest]
  })
  const first = performance.getEntriesByName('fx-first-frame')[0]
  if (first !== undefined) lines.push(`First frame ${(first.startTime / 1000).toFixed(1)} s after the page was opened.`)
  element('words').replaceChildren(...lines.map(textContent => make('li', { textContent })))
  element('stages').replaceChildren(...all.map(stageBar))
}
