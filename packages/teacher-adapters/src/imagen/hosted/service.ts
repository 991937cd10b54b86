import { FxError, hashJson, sha256Hex } from '@fx/core'
import type { RgbImage } from '../../contract/types.js'
import { type HostedRecord, openCache } from './cache.js'
import { type Client, openClient } from './client.js'
import { createDispatcher } from './dispatcher.js'
import { exchange } from './exchange.js'
import { createMeter, type HostedUsage } from './meter.js'
import { type HostedOptions, Refused, type ResolvedHosted, resolveHosted } from './options.js'
import { AttemptFailed } from './trouble.js'
import { type Job, openVisit, type Visit } from './visit.js'
import type { Question } from './wire.js'

/** A question with what identifies it: the pixels, since a PNG of them may be packed in several ways. */
export interface Asked extends Question {
  /** Names the source in events. */
  label: string
  /** Plain JSON; the cache goes by it, the model, the prompts and the config. */
  identity: Record<string, unknown>
}

export interface HostedService {
  readonly options: ResolvedHosted
  usage(): HostedUsage
  /** For one consumer; the signal cuts short what it started. */
  enter(signal: AbortSignal | undefined): Visit
  /**
   * What `make` makes of the answer to a question, which comes from the cache or the service.
   *
   * @throws Refused when the service, now or in an earlier run, gave no image, and what `make` throws; FxError
   *   `service-failed`, `missing-package`, `invalid-argument`, and those of the cache.
   */
  use<T>(
    job: Job,
    asked: Asked,
    make: (record: HostedRecord) => Promise<T>,
  ): Promise<{ key: string; record: HostedRecord; value: T }>
  /** Cuts short everything. */
  dispose(): void
}

export const createService = (what: string, given: HostedOptions): HostedService => {
  const options = resolveHosted(what, given)
  const cache = openCache(what, given.cache)
  const meter = createMeter(what, given.price, given.quota, options.imagesPerAnswer)
  const dispatcher = createDispatcher(options)
  const emit = given.onEvent ?? (() => {})
  const retried = new Set<string>()
  /** Each cuts short one consumer's work. */
  const cuts = new Set<() => void>()
  let client: Promise<Client> | undefined
  let failuresInRow = 0

  const countCached = (label: string): void => {
    meter.countCached()
    emit({ type: 'answer', label, cached: true, usage: meter.usage() })
  }

  const connect = (): Promise<Client> => {
    if (!client) {
      client = openClient(what, given)
      // After a missing key or package the next request looks again.
      client.catch(() => {
        client = undefined
      })
    }
    return client
  }

  const request = async (
    job: Job,
    asked: Asked,
    facts: Record<string, unknown>,
    key: string,
  ): Promise<HostedRecord> => {
    const { visit, signal } = job
    const { label, identity: _, ...question } = asked
    const connection = await connect()
    const keep = async (
      answer: Pick<HostedRecord, 'failure' | 'modelVersion'> & { images?: string[] },
      usage: HostedRecord['usage'],
    ) => {
      const { images = [], modelVersion, failure } = answer
      const record: HostedRecord = {
        formatVersion: 1,
        request: facts,
        answeredAt: new Date().toISOString(),
        ...(modelVersion && { modelVersion }),
        images: images.map(data => ({ data })),
        ...(failure && { failure }),
        usage,
      }
      await cache.set(key, record)
      return record
    }
    const attempt = async (number: number): Promise<HostedRecord> => {
      const settle = await meter.reserve(() => {
        signal.throwIfAborted()
        if (visit.closing) throw new Error('nobody waits for it any more')
      })
      emit({ type: 'request', label, attempt: number })
      const { inputTokens, outputTokens, ...answer } = await exchange(connection, options, question, signal).catch(
        error => {
          settle()
          throw error
        },
      )
      settle({ images: answer.images.length, inputTokens, outputTokens })
      failuresInRow = 0
      const record = await keep(answer, { inputTokens, outputTokens })
      emit({ type: 'answer', label, cached: false, usage: meter.usage() })
      return record
    }
    try {
      return await dispatcher.run(job, attempt, event => emit({ type: 'retry', label, ...event }))
    } catch (error) {
      if (!(error instanceof AttemptFailed) || visit.closing || signal.aborted) throw error
      const { kind, message } = error.trouble
      const reason = kind === 'request' ? 'rejected' : 'unavailable'
      const record = await keep({ failure: { reason, message } }, { inputTokens: 0, outputTokens: 0 })
      failuresInRow++
      if (failuresInRow >= options.maxFailuresInRow) {
        throw new FxError(
          'service-failed',
          `${what}: ${failuresInRow} sources in a row failed, the last with "${message}". They are recorded; when the cause is removed, retryFailed: ['rejected', 'unavailable'] asks for them again`,
          { details: { failuresInRow } },
        )
      }
      return record
    }
  }

  return {
    options,
    usage: () => meter.usage(),
    enter: signal => openVisit(signal, cuts),
    async use(job, asked, make) {
      const { prompt, negativePrompt, identity } = asked
      const { api, model, config } = options
      const facts = {
        formatVersion: 1,
        api,
        model,
        prompt,
        ...(negativePrompt && { negativePrompt }),
        config,
        ...identity,
      }
      const key = hashJson(facts)
      const madeOf = async (record: HostedRecord) => {
        const { failure } = record
        if (failure) throw new Refused(failure.reason, failure.message)
        return { key, record, value: await make(record) }
      }
      const known = await cache.get(key)
      if (known) {
        try {
          const made = await madeOf(known)
          countCached(asked.label)
          return made
        } catch (error) {
          const anew = error instanceof Refused && options.again.has(error.reason) && !retried.has(key)
          if (!anew) {
            if (error instanceof Refused) countCached(asked.label)
            throw error
          }
          retried.add(key)
        }
      }
      let asking = job.visit.asking.get(key) as Promise<HostedRecord> | undefined
      if (!asking) {
        asking = request(job, asked, facts, key).finally(() => job.visit.asking.delete(key))
        job.visit.asking.set(key, asking)
      }
      return madeOf(await asking)
    },
    dispose() {
      for (const cut of cuts) cut()
    },
  }
}

/** Names an image by its pixels. */
export const pixelHash = ({ width, height, data }: RgbImage): string => `${width}x${height} ${sha256Hex(data)}`
