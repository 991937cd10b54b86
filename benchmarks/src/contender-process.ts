import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { FxError, type FxErrorCode } from '@fx/core'
import { calibration } from './calibration.js'
import type { Reply, Request, Work } from './messages.js'
import type { Sample } from './statistics.js'

type Ready = Extract<Reply, { kind: 'ready' }>

/** A contender in a process of its own: tfjs-wasm fixes its thread count once per process. */
class ContenderProcess {
  private constructor(
    readonly ready: Ready,
    private readonly child: ChildProcess,
  ) {}

  static async start(work: Work): Promise<ContenderProcess> {
    const child = fork(fileURLToPath(new URL('./contender.ts', import.meta.url)), {
      execArgv: ['--conditions=@fx/source', '--import', 'tsx'],
    })
    try {
      return new ContenderProcess((await ask(child, { kind: 'prepare', work })) as Ready, child)
    } catch (error) {
      child.kill()
      throw error
    }
  }

  /** One timed run, milliseconds. */
  async run(task: string): Promise<number> {
    const reply = await ask(this.child, { kind: 'run', task })
    return reply.kind === 'ran' ? reply.ms : Number.NaN
  }

  stop(): void {
    this.child.kill()
  }
}

const ask = (child: ChildProcess, request: Request): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const exited = (code: number | null) => reject(new Error(`The benchmark process ended with exit code ${code}.`))
    child.once('exit', exited)
    child.once('message', (reply: Reply) => {
      child.off('exit', exited)
      if (reply.kind !== 'failed') resolve(reply)
      else if (reply.code) reject(new FxError(reply.code as FxErrorCode, reply.message))
      else reject(new Error(reply.message))
    })
    child.send(request)
  })

/** A contender that is being measured, and its timed runs by task. */
export interface Running<Contender> {
  contender: Contender
  process: ContenderProcess
  samples: Map<string, Sample[]>
}

/**
 * Every contender in a process of its own, one run at a time in turn, each between two calibration runs. A contender
 * whose backend is missing here is left out, and said to be. The processes have ended when this resolves.
 */
export const measureInTurn = async <Contender extends { name: string; everyRounds?: number }>(
  contenders: readonly Contender[],
  workOf: (contender: Contender) => Work,
  rounds: number,
): Promise<Running<Contender>[]> => {
  const calibrate = await calibration()
  const running: Running<Contender>[] = []
  try {
    for (const contender of contenders) {
      try {
        const process = await ContenderProcess.start(workOf(contender))
        running.push({ contender, process, samples: new Map(process.ready.tasks.map(({ name }) => [name, []])) })
        console.log(`  ${contender.name}: ready (${process.ready.description})`)
      } catch (error) {
        if (!FxError.isInstance(error, 'backend-unavailable')) throw error
        console.log(`  ${contender.name}: left out. ${error.message}`)
      }
    }
    for (let round = 0; round < rounds; round++) {
      for (const { contender, process, samples } of running) {
        if (round % (contender.everyRounds ?? 1) !== 0) continue
        for (const [task, taken] of samples) {
          const calibrationBefore = calibrate()
          const ms = await process.run(task)
          taken.push({ ms, calibrationBefore, calibrationAfter: calibrate() })
        }
      }
      if (process.stderr.isTTY) process.stderr.write(`\r  round ${round + 1}/${rounds}`)
    }
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  } finally {
    for (const { process } of running) process.stop()
  }
  return running
}
