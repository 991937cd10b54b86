import type { Harness } from './harness.js'
import type { Answer } from './worker.js'

/** Passes calls on to the worker, where the engines are. */
const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
const waiting = new Map<number, (answer: Answer) => void>()
let next = 0

worker.addEventListener('message', ({ data }: MessageEvent<Answer & { id: number }>) => {
  waiting.get(data.id)!(data)
  waiting.delete(data.id)
})

const call = async (name: keyof Harness, parameters: unknown[]): Promise<unknown> => {
  const id = next++
  const answer = await new Promise<Answer>(resolve => {
    waiting.set(id, resolve)
    worker.postMessage({ id, name, parameters })
  })
  if (answer.error !== undefined) throw new Error(answer.error)
  return answer.result
}

/** Calls a function here instead. */
const callHere = async (name: keyof Harness, parameters: unknown[]): Promise<unknown> => {
  const { harness } = await import('./harness.js')
  return (harness as Record<string, (...p: unknown[]) => Promise<unknown>>)[name]!(...parameters)
}

Object.assign(globalThis, { call, callHere })
