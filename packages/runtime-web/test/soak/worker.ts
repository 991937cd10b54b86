/// <reference lib="webworker" />
import '../../src/worker.js'
import { countThings, loseContexts, noteFrame } from './things.js'

/** What the page may ask a worker; the answer comes through the port that comes along. */
export type Question = 'count' | 'lose'

const scope = globalThis as unknown as DedicatedWorkerGlobalScope

// The runtime sees these messages, too, and answers with an error that nobody waits for.
scope.addEventListener('message', ({ data, ports }: MessageEvent<{ soak?: Question; frame?: VideoFrame }>) => {
  if (data.frame !== undefined) noteFrame()
  if (data.soak === undefined) return
  if (data.soak === 'lose') loseContexts()
  ports[0]!.postMessage(countThings())
})
