import { FxError } from '@fx/core'
import { prepareInference } from './inference.js'
import type { Facts, Reply, Request, TaskInfo, Work } from './messages.js'
import { prepareGeneration } from './stylegan2/generation.js'
import { prepareGanTraining } from './stylegan2/training.js'
import { prepareTraining } from './training.js'

/** The program that runs one contender: prepares its tasks, then runs and times one per request. */
const WARM_UP_MS = 2000

/** One thing to be timed. */
export interface Task extends TaskInfo {
  run(): void | Promise<void>
}

/** What a contender measures, prepared. */
export interface Prepared {
  description: string
  tasks: Task[]
  /** Short tasks are repeated for about so long, and their mean is told. Default 0: one run. */
  atLeastMs?: number
  facts?: Facts
}

let tasks: Task[] = []
let atLeastMs = 0

const timed = async (name: string): Promise<number> => {
  const task = tasks.find(known => known.name === name)!
  const start = performance.now()
  for (let runs = 1; ; runs++) {
    await task.run()
    const spent = performance.now() - start
    if (spent >= atLeastMs) return spent / runs
  }
}

const prepare = (work: Work): Promise<Prepared> => {
  if ('scenario' in work) {
    return (work.kind === 'training' ? prepareTraining : prepareInference)(work.scenario, work.contender)
  }
  return (work.kind === 'stylegan2-generation' ? prepareGeneration : prepareGanTraining)(work.contender)
}

const answer = async (request: Request): Promise<Reply> => {
  if (request.kind === 'run') return { kind: 'ran', ms: await timed(request.task) }
  const { description, facts = {}, ...prepared } = await prepare(request.work)
  tasks = prepared.tasks
  atLeastMs = prepared.atLeastMs ?? 0
  const warmUp = WARM_UP_MS / tasks.length
  for (const { name } of tasks) {
    for (let spent = 0, runs = 0; runs < 1 || (spent < warmUp && runs < 10); runs++) spent += await timed(name)
  }
  const infos = tasks.map(({ run, ...info }) => info)
  return { kind: 'ready', description, tasks: infos, facts }
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
