import { afterEach, beforeEach, vi } from 'vitest'
import {
  type HostedEvent,
  type HostedImagenTeacherOptions,
  type HostedUsage,
  hostedImagenTeacher,
} from '../src/imagen-hosted.js'
import type { PairRequest, SkippedSeed, TeacherPair } from '../src/index.js'
import { type HostedServer, photographs } from './hosted-server.js'

export const effect = { id: 'blue-disc', prompt: 'a blue disc', negativePrompt: 'red', parameters: {} }

export interface HostedRun {
  pairs: TeacherPair[]
  skipped: SkippedSeed[]
  events: HostedEvent[]
  usage: HostedUsage
  /** What the run ended with, if it did not come to its end. */
  error?: unknown
}

export const difference = (a: Uint8Array, b: Uint8Array): number =>
  a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length

/** Nothing of the machine's own environment takes part, and the SDK's notices stay out of the log. */
const ownEnvironment = (): void => {
  beforeEach(() => {
    for (const name of ['GEMINI_API_KEY', 'GOOGLE_API_KEY', 'GOOGLE_CLOUD_PROJECT', 'GOOGLE_CLOUD_LOCATION']) {
      vi.stubEnv(name, '')
    }
    vi.spyOn(console, 'warn').mockImplementation(() => {})
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
  })
}

/** A teacher that asks the test's server about photographs of discs. */
export const hostedTeacher = (server: HostedServer, size: number) => {
  ownEnvironment()
  const teacherOf = (options: Partial<HostedImagenTeacherOptions> = {}) =>
    hostedImagenTeacher({
      model: 'gemini-test-image',
      images: photographs(1000),
      resolution: size,
      apiKey: 'test-key',
      baseUrl: server.url,
      cache: new Map(),
      retries: { attempts: 3, minDelayMs: 1 },
      licence: { id: 'CC0-1.0' },
      ...options,
    })

  /** The pairs, the skipped seeds and the events of some seeds, up to the error, if there is one. */
  const attempt = async (
    options: Partial<HostedImagenTeacherOptions> = {},
    request: Partial<PairRequest> = {},
  ): Promise<HostedRun> => {
    const skipped: SkippedSeed[] = []
    const events: HostedEvent[] = []
    const pairs: TeacherPair[] = []
    const teacher = teacherOf({ onEvent: event => events.push(event), ...options })
    const result = { pairs, skipped, events }
    try {
      const asked = { effect, size, seeds: [0], onSkip: (skip: SkippedSeed) => skipped.push(skip), ...request }
      for await (const pair of teacher.pairs(asked)) pairs.push(pair)
    } catch (error) {
      return { ...result, usage: teacher.usage(), error }
    }
    return { ...result, usage: teacher.usage() }
  }

  const run: typeof attempt = async (options, request) => {
    const result = await attempt(options, request)
    if (result.error) throw result.error
    return result
  }
  return { teacherOf, run, attempt }
}
