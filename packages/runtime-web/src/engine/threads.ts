import { inTurn } from './queue.js'

/** Phones have four fast cores at most, and a slow one in the team makes the others wait. */
const mostThreads = 4

/** One for each core, up to four. */
export const defaultThreads = (): number => Math.min(navigator.hardwareConcurrency || 1, mostThreads)

/** How long threads stay when nobody uses them, ms. */
const lingerMs = 1000

/**
 * Does `stop`, which ends an engine that is still unused, between the starts of engines: at once or, where it has threads,
 * a second later. What is opened next takes them over, and a worker that has nothing more to do is ended by its page
 * before: Chromium often fails to end a worker that has just ended threads which wait in wasm.
 */
export const stopWhenIdle = (threads: number, stop: () => void): void => {
  const inItsTurn = (): void => void inTurn(async () => stop())
  if (threads > 1) setTimeout(inItsTurn, lingerMs)
  else inItsTurn()
}
