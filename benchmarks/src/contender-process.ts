import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { FxError, type FxErrorCode } from '@fx/core'
import type { Reply, Request } from './messages.js'
import type { Contender, Scenario } from './scenario.js'

/** A contender in a process of its own: tfjs-wasm fixes its thread count once per process. */
export class ContenderProcess {
  private constructor(
    readonly contender: Contender,
    readonly description: string,
    private readonly child: ChildProcess,
  ) {}

  static async start(scenario: Scenario, contender: Contender): Promise<ContenderProcess> {
    const child = fork(fileURLToPath(new URL('./contender.ts', import.meta.url)), {
      execArgv: ['--conditions=@fx/source', '--import', 'tsx'],
    })
    try {
      const reply = await ask(child, { kind: 'prepare', scenario, contender })
      return new ContenderProcess(contender, reply.kind === 'ready' ? reply.description : '', child)
    } catch (error) {
      child.kill()
      throw error
    }
  }

  /** One timed run, milliseconds. */
  async run(): Promise<number> {
    const reply = await ask(this.child, { kind: 'run' })
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
