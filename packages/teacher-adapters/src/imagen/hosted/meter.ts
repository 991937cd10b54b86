import { FxError, numberIn } from '@fx/core'

/** What the service charges. */
export interface Price {
  /** For an image that it returns. */
  image?: number
  /** For a million tokens. */
  inputTokens?: number
  /** For a million tokens, those of images and of thinking included. */
  outputTokens?: number
}

/** Limits of one teacher's life. */
export interface Quota {
  /** Attempts that are sent, failed ones included. */
  requests?: number
  images?: number
  /** Input and output together. */
  tokens?: number
  /** In the currency of `price`. */
  cost?: number
}

/** What was used so far. */
export interface HostedUsage {
  requests: number
  images: number
  inputTokens: number
  outputTokens: number
  cost: number
  /** Answers that came out of the cache, for nothing. */
  cached: number
}

/** What a hosted teacher tells while it works. */
export type HostedEvent =
  /** An attempt is sent, the first is 1. `label` names the source. */
  | { type: 'request'; label: string; attempt: number }
  /** An attempt failed and another follows after a wait. */
  | { type: 'retry'; label: string; attempt: number; why: string; delayMs: number }
  /** An answer is there, with or without an image. */
  | { type: 'answer'; label: string; cached: boolean; usage: HostedUsage }
  /** A source has no pair. */
  | { type: 'skip'; label: string; seed: number; reason: string; message: string }

interface Spent {
  images: number
  inputTokens: number
  outputTokens: number
}

export interface Meter {
  usage(): HostedUsage
  countCached(): void
  /**
   * Waits while requests under way may still exceed a limit, then sets room aside for another one.
   *
   * @returns what to call when the request has ended; without arguments when nothing was used.
   * @throws FxError `service-failed` when the request would exceed a limit, `details.quota` naming it.
   */
  reserve(proceed: () => void): Promise<(spent?: Spent) => void>
}

const NOTHING: Spent = { images: 0, inputTokens: 0, outputTokens: 0 }

/** @param imagesPerAnswer how many images a request may bring. */
export const createMeter = (what: string, price: Price = {}, quota: Quota = {}, imagesPerAnswer = 1): Meter => {
  for (const [name, value] of Object.entries(price)) {
    if (value !== undefined) numberIn(`${what}: price.${name}`, value, 0, 1e9)
  }
  for (const [name, value] of Object.entries(quota)) {
    if (value !== undefined) numberIn(`${what}: quota.${name}`, value, 0, Number.MAX_VALUE)
  }
  if (quota.cost !== undefined && Object.values(price).every(value => !value)) {
    throw new FxError('invalid-argument', `${what}: quota.cost needs a price above zero to count by`)
  }
  const used: HostedUsage = { requests: 0, images: 0, inputTokens: 0, outputTokens: 0, cost: 0, cached: 0 }
  // Nobody knows the tokens of an answer before it is there: the next one is taken to need as many as the largest yet.
  const largest = { ...NOTHING }
  let open = 0
  let settled: (() => void)[] = []

  const costOf = ({ images, inputTokens, outputTokens }: Spent): number =>
    images * (price.image ?? 0) +
    (inputTokens * (price.inputTokens ?? 0) + outputTokens * (price.outputTokens ?? 0)) / 1e6

  /** The first limit that `more` further requests would exceed. */
  const exceeded = (more: number) => {
    const expected = { ...largest, images: imagesPerAnswer }
    const after = {
      requests: used.requests + 1,
      images: used.images + more * expected.images,
      tokens: used.inputTokens + used.outputTokens + more * (expected.inputTokens + expected.outputTokens),
      cost: used.cost + more * costOf(expected),
    }
    // Sums of prices are not exact: three times 0.1 is within 0.3.
    const beyond = (key: keyof Quota) => after[key] > (quota[key] ?? Number.POSITIVE_INFINITY) * (1 + 1e-9)
    const name = (Object.keys(after) as (keyof Quota)[]).find(beyond)
    return name && { quota: name, limit: quota[name]!, next: after[name] }
  }

  return {
    usage: () => ({ ...used }),
    countCached() {
      used.cached++
    },
    async reserve(proceed) {
      proceed()
      while (exceeded(open + 1)) {
        const over = exceeded(1)
        if (over) {
          throw new FxError(
            'service-failed',
            `${what}: the next request would exceed quota.${over.quota}: ${shownAmount(over.next)} of ${over.limit}. Every answer so far is kept; raise the quota to go on`,
            { details: { ...over, usage: { ...used } } },
          )
        }
        await new Promise<void>(resolve => settled.push(resolve))
        proceed()
      }
      open++
      used.requests++
      return (spent = NOTHING) => {
        open--
        for (const name of ['images', 'inputTokens', 'outputTokens'] as const) {
          used[name] += spent[name]
          largest[name] = Math.max(largest[name], spent[name])
        }
        used.cost += costOf(spent)
        const waiting = settled
        settled = []
        for (const resolve of waiting) resolve()
      }
    },
  }
}

const shownAmount = (value: number): number => Number(value.toPrecision(12))
