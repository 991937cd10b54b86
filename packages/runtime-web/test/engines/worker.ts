/// <reference lib="webworker" />
import { harness } from './harness.js'

const scope = globalThis as unknown as DedicatedWorkerGlobalScope

export interface Answer {
  result?: unknown
  error?: string
}

scope.addEventListener('message', async ({ data: { id, name, parameters } }) => {
  const answer: Answer = {}
  try {
    answer.result = await (harness as Record<string, (...p: unknown[]) => Promise<unknown>>)[name]!(...parameters)
  } catch (error) {
    answer.error = (error as Error).stack
  }
  scope.postMessage({ ...answer, id })
})
