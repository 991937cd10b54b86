import { type EffectSpec, FxError, hashJson, integerIn, oneOf, type ParameterRange } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { validatePairRequest } from '../contract/request.js'
import type { Licence, PairRequest, TeacherAdapter, TeacherPair } from '../contract/types.js'
import { type AlignmentOptions, resolveAlignment } from '../image/alignment.js'
import { downscale } from '../image/downscale.js'
import { hashWeights } from '../network/weights.js'
import { type EditSource, type GeneratorSource, openEdits, openGenerator } from './adapter-checkpoint.js'
import { type Candidate, createPairMaker } from './adapter-pairs.js'
import type { Edit, LatentEditor } from './edits/edit.js'
import { stylegan2Generator, type TruncationOptions } from './generator.js'

/** Raised whenever the same seed would give other pixels. */
const REVISION = 1

export interface Stylegan2TeacherOptions {
  checkpoint: GeneratorSource
  /** Which generator of a checkpoint that holds several, as for `readStylegan2`. */
  network?: string
  /** The edits that effects resolve to by id. */
  edits?: EditSource
  /** Makes an edit for any other effect, for instance from its prompt. */
  editor?: LatentEditor
  /** Default psi 0.7 on all rows: fewer odd faces, less variety. */
  truncation?: TruncationOptions
  /** The same for input and target: the checkpoint's maps (the default), none, or drawn from the seed. */
  noise?: 'const' | 'none' | 'random'
  /** `cDim` values, for a network with labels. Every image has this label. */
  label?: readonly number[]
  /** Which pairs are refused; false accepts every one. */
  alignment?: AlignmentOptions | false
  /** How many faces are tried for a seed before it fails. Default 20. */
  attempts?: number
  /** Pairs made in one pass of the network: raise it on a GPU. Default 1. */
  batchSize?: number
  /** Under which terms the generator's images stand. Default `NOASSERTION`. */
  licence?: Licence
  /** Letters, digits, `_` and `-`. Default `stylegan2`. */
  id?: string
}

/**
 * A StyleGAN2 generator as a teacher: the input is G(w), the target G(edit(w, strength)) with the same noise.
 *
 * A seed gives one pair. Its face is drawn from the seed; when the edit, at the ends of the effect's strength range,
 * moves or changes too much of it (`alignment`), the next face of that seed is drawn. So a seed shows one face at every
 * strength, and a pair depends on nothing but the seed: not on the other seeds, the batch, the process. On another
 * backend, or with other kernels, roundings differ.
 *
 * Any size up to the generator's resolution is made, smaller ones by box downscaling. Each pair's provenance tells the
 * SHA-256 of the generator's arrays (whatever file held them), the edit, psi, the attempt and the alignment scores.
 *
 * Needs a tfjs backend: call `prepareBackend()` of `@fx/backend` first. The teacher holds the weights as tensors until
 * `dispose()`.
 *
 * @throws FxError `backend-unavailable` without a backend; `invalid-argument`, `shape-mismatch`, `not-found` for options,
 *   weights or edits that do not fit together, and what `openCheckpoint` and `readStylegan2` throw; from `pairs`: `unknown-effect`, `invalid-argument`, `aborted`, and
 *   `not-found` when none of a seed's faces passes the alignment filter.
 */
export const stylegan2Teacher = async (options: Stylegan2TeacherOptions): Promise<TeacherAdapter> => {
  const { editor, licence = { id: 'NOASSERTION' }, id = 'stylegan2' } = options
  const attempts = integerIn('stylegan2: attempts', options.attempts ?? 20, 1, 10_000)
  const batchSize = integerIn('stylegan2: batchSize', options.batchSize ?? 1, 1, 1024)
  const noise = oneOf('stylegan2: noise', options.noise ?? 'const', ['const', 'none', 'random'])
  const alignment = options.alignment !== false && resolveAlignment(options.alignment ?? {})
  const truncation = { psi: 0.7, ...options.truncation }
  if (!tf.getBackend()) {
    throw new FxError(
      'backend-unavailable',
      'stylegan2: no tfjs backend is ready; call prepareBackend() of @fx/backend first',
    )
  }

  const edits = await openEdits(options.edits ?? [])
  checkNames(id, edits, editor)
  const { config, weights } = await openGenerator(options.checkpoint, options.network)
  const weightsHash = hashWeights(weights)
  const generator = stylegan2Generator({ config, weights })
  const maker = createPairMaker({ generator, truncation, noise, label: options.label, alignment, attempts, batchSize })
  try {
    for (const edit of edits) maker.check(edit)
  } catch (error) {
    generator.dispose()
    throw error
  }

  const made = new Map<string, Promise<Edit>>()
  let disposed = false
  const checkAlive = () => {
    if (disposed) throw new FxError('invalid-argument', `The teacher '${id}' was disposed`)
  }

  const editFor = async (effect: EffectSpec, signal: AbortSignal | undefined): Promise<Edit> => {
    const named = edits.find(edit => edit.id === effect.id)
    if (named || !editor) return named!
    const key = hashJson(effect)
    const known = made.get(key)
    if (known) return known
    const making = editor.edit(effect, generator, signal ? { signal } : {})
    // Only an edit that came is kept: after an abort the next request tries again.
    making.catch(() => made.delete(key))
    made.set(key, making)
    return making
  }

  const adapter: TeacherAdapter = {
    specificationVersion: 'v1',
    id,
    version: `${REVISION}-${hashJson({
      config: generator.config,
      weightsHash,
      edits: edits.map(edit => [edit.id, edit.version]),
      editor: editor && [editor.id, editor.version],
      truncation,
      noise,
      label: options.label,
      alignment,
      attempts,
    }).slice(0, 16)}`,
    capabilities: {
      deterministic: true,
      pairCount: Number.POSITIVE_INFINITY,
      size: { min: 8, max: generator.config.resolution },
      effects: editor ? 'any' : edits.map(edit => edit.id),
      parameters: ['strength'],
    },
    async *pairs(request: PairRequest) {
      checkAlive()
      const { effect, size, seeds, parametersFor, throwIfAborted } = validatePairRequest(adapter, request)
      const edit = await editFor(effect, request.signal)
      const strengths = effect.parameters.strength ?? fixed(edit.strength.default)
      checkStrengths(effect, strengths, edit)
      const proceed = () => {
        throwIfAborted()
        checkAlive()
      }
      const known = { ...(noise !== 'const' && { noise }), ...(!edits.includes(edit) && { editor: editor!.id }) }
      const pairOf = ({ seed, attempt, parameters, scores, input, target }: Candidate): TeacherPair => ({
        id: `${id}-${effect.id}-${String(seed).padStart(6, '0')}`,
        input: downscale(input, size),
        target: downscale(target, size),
        parameters,
        provenance: {
          teacher: { id, version: adapter.version },
          weightsHash,
          seed,
          ...(!edits.includes(edit) && { prompt: effect.prompt }),
          licence,
          extra: {
            backend: tf.getBackend(),
            edit: edit.id,
            editVersion: edit.version,
            psi: truncation.psi,
            ...(truncation.cutoff !== undefined && { cutoff: truncation.cutoff }),
            ...known,
            attempt,
            ...scores,
          },
        },
      })
      // Seeds that are drawn one by one are not drawn ahead of their pairs.
      for (const together of chunks(seeds, Array.isArray(seeds) ? batchSize : 1)) {
        const asked = together.map(seed => {
          const parameters = parametersFor(seed)
          return { seed, parameters, strength: parameters.strength ?? edit.strength.default }
        })
        for (const candidate of await maker.make(asked, edit, strengths, proceed)) {
          proceed()
          yield pairOf(candidate)
        }
      }
    },
    async dispose() {
      if (disposed) return
      disposed = true
      // An editor that is still at work needs the generator.
      for (const edit of await Promise.allSettled(made.values())) {
        if (edit.status === 'fulfilled') edit.value.dispose?.()
      }
      generator.dispose()
    },
  }
  return adapter
}

const fixed = (value: number): ParameterRange => ({ min: value, max: value, default: value })

const checkNames = (id: string, edits: readonly Edit[], editor: LatentEditor | undefined): void => {
  if (!/^[\w-]+$/.test(id)) {
    throw new FxError('invalid-argument', `stylegan2: the id '${id}' may hold only letters, digits, _ and -`)
  }
  if (edits.length === 0 && !editor) {
    throw new FxError('invalid-argument', 'stylegan2: a teacher needs edits or an editor')
  }
  const double = edits.find((edit, i) => edits.findIndex(other => other.id === edit.id) !== i)
  if (double) throw new FxError('invalid-argument', `stylegan2: two edits have the id '${double.id}'`)
}

/** The effect's strengths, that users turn, are those of the edit. */
const checkStrengths = (effect: EffectSpec, { min, max }: ParameterRange, edit: Edit): void => {
  if (min === 0 && max === 0) {
    throw new FxError('invalid-argument', `The strength of '${effect.id}' is always 0; then nothing is edited`)
  }
  if (min >= edit.strength.min && max <= edit.strength.max) return
  throw new FxError(
    'invalid-argument',
    `The strength of '${effect.id}' ranges from ${min} to ${max}; the edit '${edit.id}' has strengths from ${edit.strength.min} to ${edit.strength.max}`,
    { details: { min, max, allowed: edit.strength } },
  )
}

function* chunks<T>(values: Iterable<T>, length: number): Iterable<T[]> {
  let chunk: T[] = []
  for (const value of values) {
    chunk.push(value)
    if (chunk.length < length) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
