import { type EffectSpec, FxError, hashJson, integerIn, type ParameterRange, shown } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { validatePairRequest } from '../contract/request.js'
import type { Licence, PairRequest, RgbImage, TeacherAdapter, TeacherPair } from '../contract/types.js'
import { type AlignmentOptions, resolveAlignment } from '../image/alignment.js'
import { downscale } from '../image/downscale.js'
import { hashWeights } from '../network/weights.js'
import { type Candidate, createPairMaker, type MaskOf, type PairPrompts, type SourceOf } from './adapter-pairs.js'
import { cascade } from './pipeline/cascade.js'
import type { CascadeProgress } from './pipeline/cascade-types.js'
import { checkEditStrength, type EditMethod, resolveEditMethod, type StrengthMapping } from './pipeline/edit.js'
import type { StageSampling } from './pipeline/stage.js'
import { openStageSource, type StageSource } from './pipeline/stage-source.js'
import type { ImagenStageWeights } from './stage-file.js'
import { openTextEncoder, type TextEncoder, type TextEncoderOptions } from './text/text-encoder.js'
import { captionEmbedder } from './training/captions.js'

/** Raised whenever the same seed would give other pixels. */
const REVISION = 1

export interface ImagenTeacherOptions {
  /** The base stage, then those that enlarge. */
  stages: readonly StageSource[]
  /**
   * The text encoder that the stages were trained with, what `openTextEncoder` takes, or a function that opens one; an
   * opened one is freed with the teacher.
   */
  text: TextEncoder | TextEncoderOptions | (() => TextEncoder | Promise<TextEncoder>)
  /**
   * What the two pictures of a pair are asked for by; an edit needs words for what is there before. Default: `a portrait of
   * a person`, and the effect's prompt.
   */
  prompts?: (effect: EffectSpec, seed: number) => PairPrompts
  /** Ids of the effects that `prompts` knows. Default `'any'`. */
  effects?: readonly string[] | 'any'
  /** How the target is made. Default: both pictures from the same noise. */
  method?: EditMethod
  /** What an effect's strength is, inside. Default `sdedit` for that method, else `interpolation`. */
  strength?: StrengthMapping
  /** For the method `inpaint`: which pixels may change. Default: those about which the two prompts differ. */
  mask?: MaskOf
  /** Pictures to edit with `sdedit` or `inpaint`. Default: the input is generated, too. */
  source?: SourceOf
  /** How each stage is sampled. */
  sampling?: readonly StageSampling[]
  /** Which pairs are refused; false accepts every one. */
  alignment?: AlignmentOptions | false
  /** A safety check, say: a pair with a picture for which it is false is refused. */
  filter?: (image: RgbImage) => boolean | Promise<boolean>
  /** How many pictures are tried for a seed before it fails. Default 5. */
  attempts?: number
  /** Pairs made in one pass: raise it on a GPU. Memory grows with it. Default 1. */
  batchSize?: number
  /** Called after each step of a stage. */
  onProgress?: (progress: CascadeProgress) => void
  /** Under which terms the images stand. Default `NOASSERTION`. */
  licence?: Licence
  /** Letters, digits, `_` and `-`. Default `imagen`. */
  id?: string
  /** Part of the version: change it when `prompts`, `mask`, `source` or `filter` begin to do something else. */
  revision?: string | number
}

/**
 * A cascade of diffusion stages with a text encoder as a teacher: pairs of pictures that words tell apart.
 *
 * A seed gives one pair. Its noise is drawn from the seed; when the target, at the end of the effect's strength range,
 * moves or changes too much of the input (`alignment`), or `filter` refuses a picture, the seed's next noise is tried. So a
 * pair depends on nothing but the seed: not on the other seeds or the process. On another backend, or with other kernels
 * or another batch size, roundings may differ. Strength 0 is the input itself.
 *
 * Any size up to the cascade's resolution is made, smaller ones by box downscaling. Each pair's provenance tells the
 * prompts, the SHA-256 of all stages' arrays and the text encoder's id, the method, samplers and guidance, the attempt and
 * the alignment scores.
 *
 * Needs a tfjs backend: call `prepareBackend()` of `@fx/backend` first. The teacher holds the weights as tensors until
 * `dispose()`.
 *
 * @throws FxError `backend-unavailable` without a backend; `invalid-argument`, `shape-mismatch`, `not-found`,
 *   `corrupt-file`, `unsupported` for options or stages that do not fit together or cannot be read; from `pairs`:
 *   `unknown-effect`, `invalid-argument`, `aborted`, `not-finite`, and `not-found` when none of a seed's pictures is
 *   accepted (told to `onSkip` instead, where the request has one).
 */
export const imagenTeacher = async (options: ImagenTeacherOptions): Promise<TeacherAdapter> => {
  const { licence = { id: 'NOASSERTION' }, id = 'imagen', effects = 'any', source, mask, filter, onProgress } = options
  const { prompts = defaultPrompts, sampling = [] } = options
  const attempts = integerIn('imagen: attempts', options.attempts ?? 5, 1, 10_000)
  const batchSize = integerIn('imagen: batchSize', options.batchSize ?? 1, 1, 1024)
  const alignment = options.alignment !== false && resolveAlignment(options.alignment ?? {})
  const method = resolveEditMethod(options.method ?? { kind: 'shared-noise' })
  const mapping = options.strength ?? (method.kind === 'sdedit' ? 'sdedit' : 'interpolation')
  checkEditStrength(method, { mapping, values: [] }, 0)
  checkOptions(id, options, method.kind)
  if (!tf.getBackend()) {
    throw new FxError(
      'backend-unavailable',
      'imagen: no tfjs backend is ready; call prepareBackend() of @fx/backend first',
    )
  }

  const stages: ImagenStageWeights[] = []
  for (const stage of options.stages) stages.push(await openStageSource(stage))
  const hashes = stages.map(({ weights }) => hashWeights(weights))
  const network = cascade({ stages, sampling })
  const opened = !('encode' in options.text)
  let text: TextEncoder | undefined
  try {
    text = await openText(options.text)
    checkText(stages, text)
  } catch (error) {
    network.dispose()
    if (opened) text?.dispose()
    throw error
  }
  const encoder = text
  const weightsHash = hashJson({ stages: hashes, text: encoder.id })
  const make = createPairMaker({
    cascade: network,
    embedder: captionEmbedder(encoder, network.stages[0]!.unet.config.encoderHidDim),
    method,
    mapping,
    mask,
    source,
    filter,
    alignment,
    attempts,
    batchSize,
    onProgress,
  })

  let disposed = false
  const atWork = new Set<Promise<unknown>>()
  const checkAlive = () => {
    if (disposed) throw new FxError('invalid-argument', `The teacher '${id}' was disposed`)
  }

  const adapter: TeacherAdapter = {
    specificationVersion: 'v1',
    id,
    version: `${REVISION}-${hashJson({
      weightsHash,
      stages: network.stages.map(({ unet, scheduler, guidance, low }, i) => ({
        unet: unet.config,
        scheduler,
        guidance,
        sampler: sampling[i]?.sampler ?? null,
        low: low ? [low.level, low.schedule.betas] : null,
      })),
      method,
      mapping,
      alignment,
      attempts,
      custom: [options.prompts, mask, source, filter].map(one => one !== undefined),
      revision: options.revision ?? null,
    }).slice(0, 16)}`,
    capabilities: {
      deterministic: true,
      pairCount: Number.POSITIVE_INFINITY,
      size: { min: 8, max: network.resolution },
      effects,
      parameters: ['strength'],
    },
    async *pairs(request: PairRequest) {
      checkAlive()
      const { effect, size, seeds, parametersFor, throwIfAborted } = validatePairRequest(adapter, request)
      const strengths = effect.parameters.strength ?? fixed(1)
      checkEditStrength(method, { mapping, values: [strengths.min] }, 1)
      checkEditStrength(method, { mapping, values: [strengths.max] }, 1)
      if (strengths.max === 0) {
        throw new FxError('invalid-argument', `The strength of '${effect.id}' is always 0; then nothing is edited`)
      }
      const pairOf = (candidate: Candidate): TeacherPair => ({
        id: `${id}-${effect.id}-${String(candidate.seed).padStart(6, '0')}`,
        input: downscale(candidate.input, size),
        target: downscale(candidate.target, size),
        parameters: candidate.parameters,
        provenance: {
          teacher: { id, version: adapter.version },
          weightsHash,
          seed: candidate.seed,
          prompt: candidate.prompts.target,
          licence,
          extra: {
            backend: tf.getBackend(),
            text: encoder.id,
            inputPrompt: candidate.prompts.input,
            ...(effect.negativePrompt !== undefined && { negativePrompt: effect.negativePrompt }),
            method: method.kind,
            strengthAs: mapping,
            sampler: network.stages.map(({ sampler }) => `${sampler.kind} ${sampler.timesteps.length}`).join(', '),
            guidance: network.stages.map(({ guidance }) => guidance).join(', '),
            attempt: candidate.attempt,
            ...candidate.scores,
          },
        },
      })
      const asked = (seed: number) => {
        const parameters = parametersFor(seed)
        const words = checkPrompts(prompts(effect, seed), seed)
        return { seed, parameters, strength: parameters.strength ?? 1, prompts: words }
      }
      // Seeds that are drawn one by one are not drawn ahead of their pairs.
      for (const together of chunks(seeds, Array.isArray(seeds) ? batchSize : 1)) {
        const making = make({
          asked: together.map(asked),
          negative: effect.negativePrompt ?? '',
          strengths,
          signal: request.signal,
          proceed: checkAlive,
        })
        atWork.add(making)
        const made = await making.finally(() => atWork.delete(making))
        for (const one of made) {
          throwIfAborted()
          checkAlive()
          if ('target' in one) yield pairOf(one)
          else if (request.onSkip) {
            request.onSkip({ seed: one.seed, reason: one.reason, message: one.error.message })
          } else throw one.error
        }
      }
    },
    async dispose() {
      if (disposed) return
      disposed = true
      // What is being made stops at its next step.
      await Promise.allSettled(atWork)
      network.dispose()
      if (opened) encoder.dispose()
    },
  }
  return adapter
}

const openText = async (text: ImagenTeacherOptions['text']): Promise<TextEncoder> => {
  if (typeof text === 'function') return text()
  return 'encode' in text ? text : openTextEncoder(text)
}

const defaultPrompts = ({ prompt }: EffectSpec): PairPrompts => ({ input: 'a portrait of a person', target: prompt })

const checkPrompts = (prompts: PairPrompts, seed: number): PairPrompts => {
  if (typeof prompts?.input === 'string' && typeof prompts.target === 'string') return prompts
  throw new FxError(
    'invalid-argument',
    `imagen: prompts gave ${shown(JSON.stringify(prompts))} for seed ${seed}; it must give { input, target } in words`,
  )
}

const fixed = (value: number): ParameterRange => ({ min: value, max: value, default: value })

const checkOptions = (id: string, { mask, source }: ImagenTeacherOptions, kind: EditMethod['kind']): void => {
  if (!/^[\w-]+$/.test(id)) {
    throw new FxError('invalid-argument', `imagen: the id '${id}' may hold only letters, digits, _ and -`)
  }
  if (mask && kind !== 'inpaint') {
    throw new FxError('invalid-argument', `imagen: a mask needs the method 'inpaint', not '${kind}'`)
  }
  if (source && kind === 'shared-noise') {
    throw new FxError(
      'invalid-argument',
      "imagen: pictures from elsewhere share no noise with their edit; choose the method 'sdedit' or 'inpaint'",
    )
  }
}

/** All stages read the same embeddings. */
const checkText = (stages: readonly ImagenStageWeights[], text: TextEncoder): void => {
  for (const [i, { stage, unet }] of stages.entries()) {
    const width = stages[0]!.unet.encoderHidDim
    if (unet.encoderHidDim !== width) {
      throw new FxError(
        'invalid-argument',
        `imagen: stage ${i + 1} reads text of width ${unet.encoderHidDim}, the first of ${width}`,
      )
    }
    if (stage.text !== '' && stage.text !== text.id) {
      throw new FxError(
        'invalid-argument',
        `imagen: stage ${i + 1} was trained with the text encoder '${stage.text}', not '${text.id}'`,
        { details: { expected: stage.text, given: text.id } },
      )
    }
  }
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
