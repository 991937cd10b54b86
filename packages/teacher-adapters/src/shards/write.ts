import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { canonicalJson, type EffectSpec, FxError, hashJson, parseEffectSpec } from '@fx/core'
import { readJson, writeFailed, writeFileAtomic } from '@fx/core/node'
import { throwIfAborted } from '../contract/request.js'
import type { PairRequest, SkippedSeed, TeacherAdapter, TeacherPair } from '../contract/types.js'
import { encodePng } from '../image/png.js'
import { checkRgbImage } from '../image/rgb.js'
import {
  distinct,
  PAIR_ID,
  type PairRecord,
  parseShardManifest,
  SHARD_FORMAT_VERSION,
  type ShardFile,
  type ShardManifest,
} from './manifest.js'
import { TAR_END, tarFile } from './tar.js'

export interface WriteProgress {
  /** Pairs on disk or in the shard being written, those of an earlier run included. */
  pairs: number
  /** How many there will be, when the caller said so, if no seed is skipped. */
  total?: number
  /** Whole shards on disk. */
  shards: number
  /** Seeds that gave no pair; absent while there are none. */
  skipped?: number
}

/** Where whoever makes the pairs tells of seeds that gave none. */
export interface SkipLog {
  /** How many seeds were skipped before the pair that is asked for first. */
  readonly earlier: number
  add(skipped: SkippedSeed): void
}

export interface WriteShardsOptions {
  effect: EffectSpec
  /** Side of the square images, pixels. */
  size: number
  /** Default 512. */
  pairsPerShard?: number
  /**
   * How many pairs there will be, skipped seeds included, if known: a finished folder is then recognised without making
   * a pair.
   */
  total?: number
  /** Plain JSON that identifies where the pairs come from. A folder begun from another source is not resumed. */
  source?: unknown
  signal?: AbortSignal
  onProgress?: (progress: WriteProgress) => void
}

const MANIFEST = 'manifest.json'
/** The manifest of a run under way: the whole shards so far. */
const PARTIAL = 'manifest.partial.json'

/**
 * Writes pairs as WebDataset tar shards: `000000.input.png`, `000000.target.png` and `000000.json` for each, numbered
 * through the folder, then `manifest.json`. Equal pairs give equal bytes.
 *
 * A shard appears whole or not at all, the manifest last. A run that was killed or aborted, started again, keeps the
 * whole shards and goes on; it ends byte for byte as an unbroken run would.
 *
 * @param pairs the pairs from the first on, or (so that a resumed run need not make them again) a function that gives
 *   them from any index on. The function tells its log of seeds that give no pair, in their place among the pairs: they
 *   are listed in the manifest.
 * @throws FxError `write-failed` (full disk, permissions), `aborted`, `resume-mismatch` when the folder holds other
 *   pairs, `shape-mismatch` for an image of another size, `invalid-argument` for a malformed pair or option.
 */
export const writeShards = async (
  folder: string,
  pairs: AsyncIterable<TeacherPair> | ((from: number, skips: SkipLog) => AsyncIterable<TeacherPair>),
  options: WriteShardsOptions,
): Promise<ShardManifest> => {
  const { effect, size, pairsPerShard = 512, total, source = null, signal, onProgress } = options
  parseEffectSpec(effect)
  if (!Number.isInteger(pairsPerShard) || pairsPerShard < 1) {
    throw new FxError('invalid-argument', `pairsPerShard is ${pairsPerShard}; it must be a positive integer`)
  }
  throwIfAborted(signal)
  const plan = hashJson({ format: SHARD_FORMAT_VERSION, effect, size, pairsPerShard, source })
  const found = await earlierRun(folder, plan)
  if (found?.finished && found.intact && seedCount(found.manifest) === total) return found.manifest

  const whole = found?.manifest.shards.filter(shard => shard.pairs === pairsPerShard) ?? []
  const manifest: ShardManifest = {
    formatVersion: SHARD_FORMAT_VERSION,
    effect,
    size,
    pairCount: whole.length * pairsPerShard,
    teachers: found?.manifest.teachers ?? [],
    licences: found?.manifest.licences ?? [],
    plan,
    shards: [...whole],
  }
  const skipped = found?.manifest.skipped?.filter(({ before }) => before <= manifest.pairCount) ?? []
  if (skipped.length > 0) manifest.skipped = skipped
  if (total !== undefined && seedCount(manifest) > total) throw holdsMore(folder, seedCount(manifest), total)
  await makeFolder(folder)

  // A finished folder stays finished until the first pair that it lacks has come.
  let finished = found?.finished === true
  let shard: OpenShard | undefined
  const openShard = async () => {
    if (finished) {
      await savePartial(folder, manifest)
      await rm(join(folder, MANIFEST))
      finished = false
    }
    return OpenShard.create(folder, manifest.shards.length)
  }
  const closeShard = async () => {
    if (!shard) return
    manifest.shards.push(await shard.finish())
    manifest.pairCount = (manifest.shards.length - 1) * pairsPerShard + shard.pairs
    manifest.teachers = distinct([...manifest.teachers, ...shard.teachers])
    manifest.licences = distinct([...manifest.licences, ...shard.licences])
    shard = undefined
    await savePartial(folder, manifest)
  }

  const kept = manifest.pairCount
  let index = typeof pairs === 'function' ? kept : 0
  const report = () =>
    onProgress?.({
      pairs: index,
      shards: manifest.shards.length,
      ...(total !== undefined && { total }),
      ...(skipped.length > 0 && { skipped: skipped.length }),
    })
  const skips: SkipLog = {
    earlier: skipped.length,
    add({ seed, reason, message }) {
      skipped.push({ seed, reason, message, before: index })
      manifest.skipped = skipped
      report()
    },
  }
  try {
    for await (const pair of typeof pairs === 'function' ? pairs(kept, skips) : pairs) {
      throwIfAborted(signal)
      if (index < kept) {
        const { firstId } = whole[Math.floor(index / pairsPerShard)]!
        if (index % pairsPerShard === 0 && pair.id !== firstId) throw mismatch(folder, `pair ${index} is '${firstId}'`)
      } else {
        checkPair(pair, effect, size)
        shard ??= await openShard()
        await shard.add(index, pair, effect)
        if (shard.pairs === pairsPerShard) await closeShard()
      }
      index++
      report()
    }
    throwIfAborted(signal)
    if (index < kept) throw holdsMore(folder, kept, index)
    await closeShard()
  } catch (error) {
    await shard?.discard()
    throw error
  }
  await writeFileAtomic(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`)
  await rm(join(folder, PARTIAL), { force: true })
  const listed = manifest.shards.map(({ path }) => path)
  for (const { path } of found?.manifest.shards ?? []) {
    if (!listed.includes(path)) await rm(join(folder, path), { force: true })
  }
  return manifest
}

/**
 * Asks a teacher for pairs and writes them as shards. A resumed run asks only for the seeds that are missing; a
 * finished folder is left as it is. Seeds that give no pair are listed in the manifest with their reasons.
 *
 * @throws FxError as `writeShards` and the teacher's `pairs` do.
 */
export const recordShards = (
  folder: string,
  teacher: TeacherAdapter,
  request: PairRequest,
  options: Pick<WriteShardsOptions, 'pairsPerShard' | 'onProgress'> = {},
): Promise<ShardManifest> => {
  const { effect, size, parameters = 'default', signal } = request
  const seeds = [...request.seeds]
  const from = (pair: number, skips: SkipLog) =>
    teacher.pairs({
      ...request,
      seeds: seeds.slice(pair + skips.earlier),
      onSkip(skipped) {
        skips.add(skipped)
        request.onSkip?.(skipped)
      },
    })
  return writeShards(folder, from, {
    ...options,
    effect,
    size,
    total: seeds.length,
    source: { teacher: teacher.id, version: teacher.version, seeds: hashJson(seeds), parameters },
    ...(signal && { signal }),
  })
}

const seedCount = ({ pairCount, skipped = [] }: ShardManifest): number => pairCount + skipped.length

const mismatch = (folder: string, why: string): FxError =>
  new FxError('resume-mismatch', `${folder} holds other pairs (${why}); choose another folder or remove it`, {
    details: { folder },
  })

const holdsMore = (folder: string, held: number, asked: number): FxError =>
  mismatch(folder, `it has ${held} pairs already, ${asked} were asked for`)

/** What an earlier run left, as far as its files are still as it wrote them. */
const earlierRun = async (
  folder: string,
  plan: string,
): Promise<{ manifest: ShardManifest; finished: boolean; intact: boolean } | undefined> => {
  for (const name of [MANIFEST, PARTIAL]) {
    const path = join(folder, name)
    let value: unknown
    try {
      value = await readJson(path)
    } catch (error) {
      if (FxError.isInstance(error, 'not-found')) continue
      throw error
    }
    const manifest = parseShardManifest(value, path)
    if (manifest.plan !== plan) throw mismatch(folder, 'another effect, size, shard length or source')
    const intact = await Promise.all(manifest.shards.map(shard => isIntact(folder, shard)))
    const damaged = intact.indexOf(false)
    return {
      manifest: damaged < 0 ? manifest : { ...manifest, shards: manifest.shards.slice(0, damaged) },
      finished: name === MANIFEST,
      intact: damaged < 0,
    }
  }
  return undefined
}

const isIntact = async (folder: string, { path, bytes, sha256 }: ShardFile): Promise<boolean> => {
  const info = await stat(join(folder, path)).catch(() => undefined)
  if (info?.size !== bytes) return false
  return (
    createHash('sha256')
      .update(await readFile(join(folder, path)))
      .digest('hex') === sha256
  )
}

const makeFolder = async (folder: string): Promise<void> => {
  try {
    await mkdir(folder, { recursive: true })
  } catch (error) {
    throw writeFailed(folder, error)
  }
}

const savePartial = (folder: string, manifest: ShardManifest): Promise<void> =>
  writeFileAtomic(join(folder, PARTIAL), `${JSON.stringify(manifest, null, 2)}\n`)

const checkPair = (pair: TeacherPair, effect: EffectSpec, size: number): void => {
  if (!PAIR_ID.test(pair.id)) {
    throw new FxError('invalid-argument', `The pair id '${pair.id}' may hold only letters, digits, _ and -`)
  }
  for (const role of ['input', 'target'] as const) {
    const { width, height } = checkRgbImage(pair[role], `The ${role} of pair '${pair.id}'`)
    if (width !== size || height !== size) {
      throw new FxError(
        'shape-mismatch',
        `The ${role} of pair '${pair.id}' is ${width}x${height}; this data set holds ${size}x${size}`,
      )
    }
  }
  const names = Object.keys(pair.parameters).sort().join()
  const wanted = Object.keys(effect.parameters).sort().join()
  if (names !== wanted) {
    throw new FxError(
      'invalid-argument',
      `Pair '${pair.id}' has the parameters [${names}]; the effect '${effect.id}' has [${wanted}]`,
    )
  }
}

/** A shard under a temporary name, until it is whole. */
class OpenShard {
  pairs = 0
  readonly teachers: ShardManifest['teachers'] = []
  readonly licences: ShardManifest['licences'] = []
  private readonly hash = createHash('sha256')
  private bytes = 0
  private firstId = ''

  private constructor(
    private readonly folder: string,
    private readonly path: string,
    private readonly temporary: string,
    private readonly file: FileHandle,
  ) {}

  static async create(folder: string, number: number): Promise<OpenShard> {
    const path = `${String(number).padStart(6, '0')}.tar`
    const temporary = join(folder, `.${path}.tmp`)
    try {
      return new OpenShard(folder, path, temporary, await open(temporary, 'w'))
    } catch (error) {
      throw writeFailed(join(folder, path), error)
    }
  }

  async add(index: number, { input, target, ...rest }: TeacherPair, effect: EffectSpec): Promise<void> {
    const key = String(index).padStart(6, '0')
    const record: PairRecord = { ...rest, effect: effect.id }
    if (this.pairs === 0) this.firstId = rest.id
    await this.append(tarFile(`${key}.input.png`, encodePng(input)))
    await this.append(tarFile(`${key}.target.png`, encodePng(target)))
    await this.append(tarFile(`${key}.json`, Buffer.from(canonicalJson(record))))
    this.teachers.push(rest.provenance.teacher)
    this.licences.push(rest.provenance.licence)
    this.pairs++
  }

  async finish(): Promise<ShardFile> {
    await this.append(TAR_END)
    try {
      await this.file.sync()
      await this.file.close()
      await rename(this.temporary, join(this.folder, this.path))
    } catch (error) {
      throw writeFailed(join(this.folder, this.path), error)
    }
    return {
      path: this.path,
      pairs: this.pairs,
      bytes: this.bytes,
      sha256: this.hash.digest('hex'),
      firstId: this.firstId,
    }
  }

  async discard(): Promise<void> {
    await this.file.close().catch(() => {})
    await rm(this.temporary, { force: true }).catch(() => {})
  }

  private async append(data: Uint8Array): Promise<void> {
    try {
      await this.file.writeFile(data)
    } catch (error) {
      throw writeFailed(join(this.folder, this.path), error)
    }
    this.hash.update(data)
    this.bytes += data.length
  }
}
