import { FxError, hashJson, integerIn, listed, numberIn, oneOf } from '@fx/core'
import type { ResponseCache } from './cache.js'
import type { HostedEvent, Price, Quota } from './meter.js'

/** Why a source has no pair. */
export const HOSTED_FAILURES = [
  'filtered',
  'no-image',
  'rejected',
  'unavailable',
  'unreadable',
  'misaligned',
  'unchanged',
] as const

/**
 * - `filtered`: the service's safety filter refused the request or its result.
 * - `no-image`: the service answered without an image, for instance in words.
 * - `rejected`: the service called the request wrong (400 and the like).
 * - `unavailable`: it failed, timed out or was overloaded at every attempt.
 * - `unreadable`: the answer's bytes are no whole PNG, JPEG or WebP.
 * - `misaligned`: what should not have changed was moved or repainted.
 * - `unchanged`: the edit does not show.
 */
export type HostedFailure = (typeof HOSTED_FAILURES)[number]

/** A source without a pair; it never leaves this folder. */
export class Refused extends Error {
  constructor(
    readonly reason: HostedFailure,
    message: string,
  ) {
    super(message)
  }
}

/** How a hosted model is reached, within which limits, and where its answers are kept. */
export interface HostedOptions {
  /** For instance `gemini-2.5-flash-image`, or with `vertex-predict` `imagen-3.0-capability-001`. */
  model: string
  /**
   * The wire: `gemini` is `generateContent`, which edits photographs in words; `vertex-predict` is Imagen's `:predict`
   * (`editImage` with masks, `generateImages`) on Vertex AI or a gateway that speaks it. Default `gemini`.
   */
  api?: 'gemini' | 'vertex-predict'
  /** Default: the environment's `GOOGLE_API_KEY` or `GEMINI_API_KEY`. On Vertex AI a key is "express mode". */
  apiKey?: string
  /**
   * Vertex AI instead of the Gemini API, signed in by Application Default Credentials. The members default to the
   * environment's `GOOGLE_CLOUD_PROJECT` and `GOOGLE_CLOUD_LOCATION`. `vertex-predict` implies it.
   */
  vertex?: true | { project?: string; location?: string }
  /** Of a gateway, instead of Google's. */
  baseUrl?: string
  /** For a gateway. Their values are treated as secrets. */
  headers?: Readonly<Record<string, string>>
  /**
   * More of the call's `config` as `@google/genai` names it: `seed`, `safetySettings`, `imageConfig`, `numberOfImages`,
   * `guidanceScale`, `editMode`, ... Plain JSON; it is part of what the cache goes by.
   */
  config?: Readonly<Record<string, unknown>>
  /**
   * Where answers are kept, so that none is paid for twice: a folder, or anything with `get` and `set` (a `Map`, a
   * Keyv). `false` keeps nothing.
   */
  cache: string | ResponseCache | false
  /** Ask again for what failed in an earlier run: everything, or what failed for these reasons. Default false. */
  retryFailed?: boolean | readonly HostedFailure[]
  /** Requests under way at a time. Default 4. */
  concurrency?: number
  /** Spread evenly over the minute. Default: no limit. */
  requestsPerMinute?: number
  /** Of one attempt, its answer's body included. Default 120,000, at most 300,000. */
  timeoutMs?: number
  retries?: RetryOptions
  /** After so many sources in a row that failed as `rejected` or `unavailable`, the run stops. Default 10. */
  maxFailuresInRow?: number
  /** What the service charges, in any currency: what `usage().cost` and `quota.cost` count. */
  price?: Price
  /** The run stops before the request that would exceed one of these. Cached answers are free. */
  quota?: Quota
  onEvent?: (event: HostedEvent) => void
}

export interface RetryOptions {
  /** The first one included. Default 5. */
  attempts?: number
  /** The first wait; it doubles each time, and up to half of it is cut by chance. Default 1000. */
  minDelayMs?: number
  /** The longest wait, also of those that the service asks for: when it asks for more, the run stops. Default 120,000. */
  maxDelayMs?: number
}

/** The options with their defaults, checked. */
export interface ResolvedHosted {
  what: string
  model: string
  api: 'gemini' | 'vertex-predict'
  /** Images that an answer may hold. */
  imagesPerAnswer: number
  config: Readonly<Record<string, unknown>>
  again: ReadonlySet<HostedFailure>
  concurrency: number
  requestsPerMinute: number | undefined
  timeoutMs: number
  retries: Required<RetryOptions>
  maxFailuresInRow: number
}

/** What the client sets itself. */
const OWN_CONFIG = ['httpOptions', 'abortSignal', 'outputGcsUri', 'negativePrompt']

/**
 * @param what names the caller in errors.
 * @throws FxError `invalid-argument`. No message holds the key, a header or the address.
 */
export const resolveHosted = (what: string, options: HostedOptions): ResolvedHosted => {
  const { model, cache, config = {}, retries = {}, retryFailed = false } = options
  const invalid = (why: string) => new FxError('invalid-argument', `${what}: ${why}`)
  if (typeof model !== 'string' || model === '') {
    throw invalid('model is missing; give its id, for instance gemini-2.5-flash-image')
  }
  if (cache === undefined || cache === '') {
    throw invalid('cache is missing: give a folder (answers cost money), an object with get and set, or false')
  }
  checkBaseUrl(what, options.baseUrl)
  const own = Object.keys(config).find(name => OWN_CONFIG.includes(name))
  if (own !== undefined) throw invalid(`config may not have '${own}'; the client sets it`)
  hashJson(config)
  const list = retryFailed === true ? HOSTED_FAILURES : retryFailed || []
  const wrong = list.find(reason => !HOSTED_FAILURES.includes(reason))
  if (wrong !== undefined) throw invalid(`retryFailed has '${wrong}'; it may have ${listed(HOSTED_FAILURES)}`)
  const api = oneOf(`${what}: api`, options.api ?? 'gemini', ['gemini', 'vertex-predict'])
  const minDelayMs = numberIn(`${what}: retries.minDelayMs`, retries.minDelayMs ?? 1000, 0, 3_600_000)
  return {
    what,
    model,
    api,
    config,
    imagesPerAnswer:
      api === 'gemini' ? 1 : integerIn(`${what}: config.numberOfImages`, config.numberOfImages ?? 1, 1, 8),
    again: new Set(list),
    concurrency: integerIn(`${what}: concurrency`, options.concurrency ?? 4, 1, 1000),
    requestsPerMinute:
      options.requestsPerMinute === undefined
        ? undefined
        : numberIn(`${what}: requestsPerMinute`, options.requestsPerMinute, 0.01, 1_000_000),
    // Beyond it fetch itself gives up.
    timeoutMs: numberIn(`${what}: timeoutMs`, options.timeoutMs ?? 120_000, 1, 300_000),
    retries: {
      attempts: integerIn(`${what}: retries.attempts`, retries.attempts ?? 5, 1, 100),
      minDelayMs,
      maxDelayMs: numberIn(`${what}: retries.maxDelayMs`, retries.maxDelayMs ?? 120_000, minDelayMs, 86_400_000),
    },
    maxFailuresInRow: integerIn(`${what}: maxFailuresInRow`, options.maxFailuresInRow ?? 10, 1, 1_000_000),
  }
}

const checkBaseUrl = (what: string, baseUrl: string | undefined): void => {
  if (baseUrl === undefined) return
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined
  if (url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash) return
  // The address is not shown: what is wrong about it may be a password in it.
  throw new FxError(
    'invalid-argument',
    `${what}: baseUrl must be an http or https address without user name, password, query and fragment; give keys as apiKey or headers`,
  )
}
