import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type EffectSpec, FxError, hashJson, listed } from '@fx/core'
import { validatePairRequest } from './contract/request.js'
import type { Licence, PairRequest, TeacherAdapter, TeacherPair } from './contract/types.js'
import { groupPairs, openPair, type StoredPair } from './shards/pairs.js'
import { openShards, type PairPlace, readPlace, tarPairs } from './shards/read.js'

export interface RecordedOptions {
  /**
   * A folder that `writeShards` made, a folder of WebDataset tars, one such tar, or a folder of `NAME.input.png` and
   * `NAME.target.png` (and, if there is one, `NAME.json`).
   */
  path: string
  /** Under which terms pairs stand that do not say it themselves. Default: SPDX `NOASSERTION`. */
  licence?: Licence
  /** Compare shards with their checksums when they are first read from. Default true. */
  verify?: boolean
}

/** Pairs at rest, whatever holds them. */
interface Recording {
  pairCount: number
  /** Changes with what is recorded. */
  version: string
  /** Absent where nothing says which effect the pairs show. */
  effect?: EffectSpec
  pair(index: number): Promise<TeacherPair & { effect?: string }>
}

/**
 * A teacher over pairs that anything made: seed `n` is pair `n`. Reads only what is asked for, in any order.
 *
 * A recording cannot be changed. It has one size; its parameter values are the recorded ones, so ask with
 * `parameters: 'sampled'` for pairs whose values vary: a request for other values is refused, never approximated.
 * Where a manifest or a pair's JSON names the effect, only that effect is known, else any.
 *
 * @throws FxError `not-found` when there are no pairs, `corrupt-file`, `newer-version`; from `pairs` also
 *   `checksum-mismatch`, `shape-mismatch`, `unknown-effect`, `invalid-argument`, `aborted`.
 */
export const recorded = async ({
  path,
  licence = { id: 'NOASSERTION' },
  verify = true,
}: RecordedOptions): Promise<TeacherAdapter> => {
  const recording = await openRecording(path, licence, verify)
  if (recording.pairCount === 0) throw nothingIn(path)
  const first = await recording.pair(0)
  const effect = recording.effect?.id ?? first.effect
  const names = Object.keys(recording.effect?.parameters ?? first.parameters)
  const { width: side } = first.input

  const adapter: TeacherAdapter = {
    specificationVersion: 'v1',
    id: 'recorded',
    version: recording.version,
    capabilities: {
      deterministic: true,
      pairCount: recording.pairCount,
      size: { min: side, max: side },
      effects: effect === undefined ? 'any' : [effect],
      parameters: names,
      recorded: true,
    },
    async *pairs(request: PairRequest) {
      const { effect, size, seeds, parametersFor, throwIfAborted } = validatePairRequest(adapter, request)
      const missing = names.find(name => !Object.hasOwn(effect.parameters, name))
      if (missing !== undefined) {
        throw new FxError(
          'invalid-argument',
          `The pairs in ${path} were recorded with the parameter '${missing}', which the effect '${effect.id}' lacks; it has ${listed(Object.keys(effect.parameters))}`,
        )
      }
      for (const seed of seeds) {
        throwIfAborted()
        const { effect: named, ...pair } = await recording.pair(seed)
        throwIfAborted()
        checkPair(path, pair, { effect, named, size, wanted: parametersFor(seed), request })
        yield pair
      }
    },
  }
  return adapter
}

const checkPair = (
  path: string,
  pair: TeacherPair,
  asked: {
    effect: EffectSpec
    named: string | undefined
    size: number
    wanted: Record<string, number>
    request: PairRequest
  },
): void => {
  const { effect, named, size, wanted, request } = asked
  const { width, height } = pair.input
  if (width !== size || height !== size) {
    throw new FxError('shape-mismatch', `Pair '${pair.id}' in ${path} is ${width}x${height}; ${size}x${size} was asked`)
  }
  if (named !== undefined && named !== effect.id) {
    throw new FxError('corrupt-file', `Pair '${pair.id}' in ${path} shows '${named}', not '${effect.id}'`)
  }
  for (const [name, { min, max }] of Object.entries(effect.parameters)) {
    const value = pair.parameters[name]
    if (value === undefined) {
      throw new FxError('corrupt-file', `Pair '${pair.id}' in ${path} was recorded without the parameter '${name}'`)
    }
    const asWanted = request.parameters === 'sampled' ? value >= min && value <= max : value === wanted[name]
    if (!asWanted) {
      const allowed = request.parameters === 'sampled' ? `a value from ${min} to ${max}` : wanted[name]
      throw new FxError(
        'invalid-argument',
        `Pair '${pair.id}' in ${path} was recorded with ${name} ${value}; ${allowed} was asked, and a recording cannot be changed. Ask with parameters: 'sampled' for what was recorded`,
        { details: { parameter: name, recorded: value, asked: wanted[name] } },
      )
    }
  }
}

const nothingIn = (path: string, cause?: unknown): FxError =>
  new FxError(
    'not-found',
    `There are no pairs in ${path}: no manifest.json, no tar, and no NAME.input.png with NAME.target.png`,
    { cause, details: { path } },
  )

const openRecording = async (path: string, licence: Licence, verify: boolean): Promise<Recording> => {
  if (path.endsWith('.tar')) return overTars([path], licence)
  const names = await readdir(path).catch(cause => {
    throw nothingIn(path, cause)
  })
  names.sort()
  if (names.includes('manifest.json')) {
    const { manifest, pairCount, pair } = await openShards(path, { verify })
    return { pairCount, pair, effect: manifest.effect, version: hashJson(manifest).slice(0, 16) }
  }
  if (names.includes('manifest.partial.json')) {
    throw new FxError(
      'corrupt-file',
      `${path} holds shards of a run that did not finish; start it again to complete them`,
    )
  }
  const tars = names.filter(name => name.endsWith('.tar'))
  if (tars.length > 0)
    return overTars(
      tars.map(name => join(path, name)),
      licence,
    )
  return overFiles(path, names, licence)
}

const overTars = async (tars: readonly string[], licence: Licence): Promise<Recording> => {
  const places: { tar: string; place: PairPlace }[] = []
  for (const tar of tars) for (const place of await tarPairs(tar)) places.push({ tar, place })
  const version = hashJson(places.map(({ place }) => place)).slice(0, 16)
  return recordingOf(places.length, version, licence, index => {
    const { tar, place } = places[index]!
    return readPlace(tar, place)
  })
}

const overFiles = async (folder: string, names: readonly string[], licence: Licence): Promise<Recording> => {
  const pairs = groupPairs(
    names.map(name => ({ name, file: join(folder, name) })),
    folder,
  )
  const version = hashJson(pairs.map(({ key }) => key)).slice(0, 16)
  return recordingOf(pairs.length, version, licence, async index => {
    const { key, parts } = pairs[index]!
    return {
      name: join(folder, key),
      key,
      input: await bytesOf(parts.input),
      target: await bytesOf(parts.target),
      ...(parts.json !== undefined && { json: await bytesOf(parts.json) }),
    }
  })
}

const bytesOf = (path: string): Promise<Uint8Array> =>
  readFile(path).catch(cause => {
    throw new FxError('not-found', `Cannot read ${path}: ${(cause as Error).message}`, { cause, details: { path } })
  })

const recordingOf = (
  pairCount: number,
  version: string,
  licence: Licence,
  read: (index: number) => Promise<StoredPair>,
): Recording => ({
  pairCount,
  version,
  pair: async index => openPair(await read(index), { index, licence, version }),
})
