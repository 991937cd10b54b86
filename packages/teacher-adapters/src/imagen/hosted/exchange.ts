import { addSecret, type Client } from './client.js'
import type { ResolvedHosted } from './options.js'
import { AttemptFailed, parseRetryAfter, redact, type Trouble, troubleOfStatus } from './trouble.js'
import { type Answer, generateContent, predict, type Question } from './wire.js'

/** A 4096 x 4096 PNG of random pixels takes 48 MiB, and a third more in base64. */
const LONGEST_ANSWER = 128 * 1024 * 1024

/** What was seen of the HTTP exchange beneath the SDK, which tells only status and body. */
interface Seen {
  sent: boolean
  tooLong: boolean
  retryAfterMs?: number
}

/** The response, failing once its body is longer than any answer is. */
const bounded = (response: Response, seen: Seen): Response => {
  let length = 0
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      length += chunk.length
      if (length > LONGEST_ANSWER) {
        seen.tooLong = true
        controller.error(new Error('too long'))
      } else controller.enqueue(chunk)
    },
  })
  const { status, statusText, headers } = response
  return new Response(response.body?.pipeThrough(counter) ?? null, { status, statusText, headers })
}

/**
 * One attempt.
 *
 * @throws AttemptFailed, or the signal's reason.
 */
export const exchange = async (
  client: Client,
  { api, model, config, timeoutMs }: Pick<ResolvedHosted, 'api' | 'model' | 'config' | 'timeoutMs'>,
  question: Question,
  signal: AbortSignal,
): Promise<Answer> => {
  const seen: Seen = { sent: false, tooLong: false }
  const send: typeof fetch = async (address, init) => {
    seen.sent = true
    const headers = new Headers(init?.headers)
    for (const name of ['authorization', 'x-goog-api-key']) addSecret(client.secrets, headers.get(name) ?? '')
    const response = await fetch(address, init)
    const wait = parseRetryAfter(response.headers.get('retry-after'), Date.now())
    if (wait !== undefined) seen.retryAfterMs = wait
    return bounded(response, seen)
  }
  const transport = { abortSignal: signal, httpOptions: { timeout: timeoutMs, fetch: send } }
  try {
    return await (api === 'gemini' ? generateContent : predict)(client, { ...question, model, config, transport })
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw new AttemptFailed(troubleOf(error as Error & { status?: number }, seen, client, timeoutMs))
  }
}

const troubleOf = (
  error: Error & { status?: number; cause?: unknown },
  seen: Seen,
  { secrets }: Client,
  timeoutMs: number,
): Trouble => {
  if (typeof error.status === 'number') return troubleOfStatus(error.status, error.message, seen.retryAfterMs, secrets)
  if (!seen.sent) return { kind: 'fatal', message: `the request cannot be made: ${redact(error.message, secrets)}` }
  if (seen.tooLong) return { kind: 'request', message: `the answer is longer than ${LONGEST_ANSWER / 2 ** 20} MiB` }
  if (error.name === 'AbortError') return { kind: 'passing', message: `no answer within ${timeoutMs / 1000} s` }
  if (error instanceof SyntaxError) return { kind: 'passing', message: 'the answer is not JSON' }
  const { code, message } = (error.cause ?? {}) as { code?: string; message?: string }
  const why = code ?? message
  return { kind: 'passing', message: redact(why ? `${error.message}: ${why}` : error.message, secrets) }
}
