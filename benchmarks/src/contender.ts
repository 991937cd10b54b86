import { FxError } from '@fx/core'
import { prepareInference } from './inference.js'
import type { Reply, Request } from './messages.js'
import { prepareTraining } from './training.js'

/** The program that runs one contender: prepares it, then runs and times it once per request. */
const WARM_UP_MS = 2000

let run: (() => void | Promise<void>) | undefined

const timed = async (): Promise<number> => {
  const start = performance.now()
  await run?.()
  return performance.now() - start
}

const answer = async (request: Request): Promise<Reply> => {
  if (request.kind === 'run') return { kind: 'ran', ms: await timed() }
  const prepare = request.scenario.name === 'inference' ? prepareInference : prepareTraining
  const prepared = await prepare(request.scenario, request.contender)
  run = prepared.run
  for (let spent = 0, runs = 0; runs < 1 || (spent < WARM_UP_MS && runs < 10); runs++) spent += await timed()
  return { kind: 'ready', description: prepared.description }
}

process.on('message', async (request: Request) => {
  const reply = await answer(request).catch(
    (error: unknown): Reply => ({
      kind: 'failed',
      ...(FxError.isInstance(error) && { code: error.code }),
      message: (error as Error).message,
    }),
  )
  process.send?.(reply)
})
