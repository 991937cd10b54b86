import { FxError } from '@fx/core'

/** Why an attempt brought no answer. */
export interface Trouble {
  /**
   * - `passing`: another attempt may succeed (overload, time-out, a cut connection).
   * - `request`: this request is wrong and stays so; others may be right.
   * - `fatal`: nothing will succeed (the key, the model, the project).
   */
  kind: 'passing' | 'request' | 'fatal'
  status?: number
  /** In words, without secrets. */
  message: string
  /** How long the service asks to wait. */
  retryAfterMs?: number
}

/** Carries a Trouble through queues and promises; it never leaves this folder. */
export class AttemptFailed extends Error {
  constructor(readonly trouble: Trouble) {
    super(trouble.message)
  }
}

const LONGEST_MESSAGE = 500
/** What looks like a key or a token of Google's, in case one is none of ours. */
const CREDENTIALS = /AIza[\w-]{30,}|ya29\.[\w.-]+|\bBearer\s+[^\s"']+/g

/** Blots the secrets out of a text that came from elsewhere, and bounds it. */
export const redact = (text: string, secrets: Iterable<string>): string => {
  let clean = text
  for (const secret of secrets) {
    for (const form of [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]) {
      if (form.length > 3) clean = clean.replaceAll(form, '[secret]')
    }
  }
  clean = clean.replace(CREDENTIALS, '[secret]')
  return clean.length > LONGEST_MESSAGE ? `${clean.slice(0, LONGEST_MESSAGE)}...` : clean
}

/** `Retry-After` of RFC 9110, section 10.2.3: seconds, or a date. */
export const parseRetryAfter = (value: string | null | undefined, now: number): number | undefined => {
  const text = value?.trim()
  if (!text) return undefined
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

interface GoogleError {
  message?: string
  status?: string
  details?: { '@type'?: string; reason?: string; retryDelay?: string }[]
}

/** The error of a body of Google's, which the SDK hands over as JSON text. */
const googleError = (text: string): GoogleError | undefined => {
  try {
    return (JSON.parse(text) as { error?: GoogleError }).error
  } catch {
    return undefined
  }
}

/** `google.rpc.RetryInfo`: what Gemini sends in place of the header. */
const retryInfo = ({ details }: GoogleError): number | undefined => {
  const delay = Array.isArray(details) ? details.find(detail => detail.retryDelay)?.retryDelay : undefined
  return delay === undefined ? undefined : parseRetryAfter(delay.replace(/s$/, ''), 0)
}

/** Statuses at which the same request may be answered later. */
const PASSING = [408, 409, 425, 429]
/** Statuses that every other request would get as well. */
const FATAL = [401, 402, 403, 404, 407]
/** Reasons of a 400 that are about the caller, not the request. */
const ABOUT_THE_CALLER = /API[_ ]key|FAILED_PRECONDITION|BILLING_DISABLED|SERVICE_DISABLED/i

export const troubleOfStatus = (
  status: number,
  body: string,
  retryAfterMs: number | undefined,
  secrets: Iterable<string>,
): Trouble => {
  const error = googleError(body)
  const said = error?.message || body
  const reasons = `${error?.status ?? ''} ${error?.details?.map?.(({ reason = '' }) => reason).join(' ') ?? ''} ${said}`
  const wait = retryAfterMs ?? (error && retryInfo(error))
  const kind =
    PASSING.includes(status) || status >= 500
      ? 'passing'
      : FATAL.includes(status) || (status === 400 && ABOUT_THE_CALLER.test(reasons))
        ? 'fatal'
        : 'request'
  return {
    kind,
    status,
    message: `${status}${error?.status ? ` ${error.status}` : ''}: ${redact(said, secrets) || 'no message'}`,
    ...(wait !== undefined && { retryAfterMs: wait }),
  }
}

const HINTS: Record<number, string> = {
  401: 'check the key or the sign-in',
  402: 'check the billing of the account',
  403: 'check what the key or the account may use',
  404: 'check model, project and location',
}

/** What a run is stopped with when no further request makes sense. */
export const stopped = (what: string, { status, message }: Trouble): FxError => {
  const hint = status === undefined ? undefined : HINTS[status]
  return new FxError(
    'service-failed',
    `${what}: the service refuses every request: ${message}${hint ? ` (${hint})` : ''}`,
    {
      details: { ...(status !== undefined && { status }) },
    },
  )
}
