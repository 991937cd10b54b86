import { FxError } from '@fx/core'
import type PQueue from 'p-queue'
import type { ResolvedHosted } from './options.js'
import { AttemptFailed, stopped, type Trouble } from './trouble.js'
import type { Job } from './visit.js'

export interface Dispatcher {
  /**
   * Calls `attempt` until it does not fail with a passing trouble, within the limits on concurrency, rate and time.
   *
   * @throws AttemptFailed with the trouble of the last attempt; FxError `service-failed` when nobody will be answered.
   */
  run<T>(job: Job, attempt: (number: number) => Promise<T>, onRetry: (event: Retry) => void): Promise<T>
}

interface Retry {
  attempt: number
  why: string
  delayMs: number
}

const sleep = (delayMs: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      if (signal.aborted) reject(signal.reason)
      else resolve()
    }
    const timer = setTimeout(end, delayMs)
    signal.addEventListener('abort', end)
  })

/** Exponential, and up to half of it cut by chance, so that those who failed together do not come back together. */
const backoff = (attempt: number, { minDelayMs, maxDelayMs }: ResolvedHosted['retries']): number =>
  Math.min(maxDelayMs, minDelayMs * 2 ** (attempt - 1)) * (1 - Math.random() / 2)

export const createDispatcher = (options: ResolvedHosted): Dispatcher => {
  const { what, concurrency, requestsPerMinute, retries } = options
  let opening: Promise<PQueue> | undefined
  // Imported when needed: the package is ESM only, and this one is CommonJS as well.
  const openQueue = async (): Promise<PQueue> => {
    const { default: Queue } = await import('p-queue')
    const rate = requestsPerMinute ? { interval: 60_000 / requestsPerMinute, intervalCap: 1, strict: true } : {}
    return new Queue({ concurrency, ...rate })
  }
  /** Until when the service asked everyone to wait. */
  let heldUntil = 0

  const delayAfter = (attempt: number, { retryAfterMs = 0, message }: Trouble): number => {
    if (retryAfterMs > retries.maxDelayMs) {
      throw new FxError(
        'service-failed',
        `${what}: the service asks to wait ${Math.ceil(retryAfterMs / 1000)} s, longer than retries.maxDelayMs allows (${message}). Every answer so far is kept; go on later`,
        { details: { retryAfterMs } },
      )
    }
    return Math.max(retryAfterMs, backoff(attempt, retries))
  }

  return {
    async run({ visit, signal }, attempt, onRetry) {
      opening ??= openQueue()
      const queue = await opening
      const send = async (number: number) => {
        const held = heldUntil - Date.now()
        if (held > 0) await sleep(held, signal)
        signal.throwIfAborted()
        if (visit.closing) throw new Error('nobody waits for it any more')
        const sending = attempt(number)
        visit.sent.add(sending)
        try {
          return await sending
        } catch (error) {
          // Here, not below: as soon as this slot is free the next one looks.
          const wait = error instanceof AttemptFailed ? (error.trouble.retryAfterMs ?? 0) : 0
          heldUntil = Math.max(heldUntil, Date.now() + wait)
          throw error
        } finally {
          visit.sent.delete(sending)
        }
      }
      for (let number = 1; ; number++) {
        try {
          // Who waited already goes first.
          return await queue.add(() => send(number), { signal, priority: number })
        } catch (error) {
          if (!(error instanceof AttemptFailed)) throw error
          const { trouble } = error
          if (trouble.kind === 'fatal') throw stopped(what, trouble)
          if (trouble.kind === 'request' || number >= retries.attempts) throw error
          const delayMs = delayAfter(number, trouble)
          if (visit.closing) throw error
          onRetry({ attempt: number, why: trouble.message, delayMs: Math.round(delayMs) })
          await sleep(delayMs, signal)
        }
      }
    },
  }
}
