import { FxError, type ParameterRange } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { RgbImage } from '../contract/types.js'
import {
  type AlignmentOptions,
  type AlignmentScores,
  type AlignmentVerdict,
  judgeAlignment,
} from '../image/alignment.js'
import { explainRefusals, tallyRefusals } from '../image/refusals.js'
import { toRgbImages, toTensor } from '../image/tensor.js'
import type { Cascade, CascadeProgress, Rendering } from './pipeline/cascade-types.js'
import type { ResolvedEditMethod, StrengthMapping } from './pipeline/edit.js'
import type { Masks } from './pipeline/mask.js'
import type { CaptionEmbedder } from './training/captions.js'

/** What the two pictures of a pair are asked for by. */
export interface PairPrompts {
  input: string
  target: string
}

/** Says which pixels of an input may change: 1 or 0 for each, row by row. */
export type MaskOf = (input: RgbImage, seed: number) => Uint8Array | Promise<Uint8Array>

/** A picture to edit, square, of the cascade's resolution. */
export type SourceOf = (seed: number, resolution: number) => RgbImage | Promise<RgbImage>

export interface PairMakerOptions {
  cascade: Cascade
  embedder: CaptionEmbedder
  method: ResolvedEditMethod
  mapping: StrengthMapping
  mask: MaskOf | undefined
  source: SourceOf | undefined
  filter: ((image: RgbImage) => boolean | Promise<boolean>) | undefined
  alignment: Required<AlignmentOptions> | false
  attempts: number
  batchSize: number
  onProgress: ((progress: CascadeProgress) => void) | undefined
}

interface Asked {
  seed: number
  parameters: Record<string, number>
  strength: number
  prompts: PairPrompts
}

/** A pair at the cascade's resolution, and which of its seed's pictures it shows. */
export interface Candidate extends Asked {
  attempt: number
  input: RgbImage
  target: RgbImage
  /** Absent without an alignment filter. */
  scores?: AlignmentScores
}

/** Why a seed gave no pair. */
interface Failure {
  seed: number
  reason: 'filtered' | 'misaligned'
  error: FxError
}

interface PairMakerRequest {
  asked: readonly Asked[]
  negative: string
  strengths: ParameterRange
  signal: AbortSignal | undefined
  /** Called after each step; throws to stop. */
  proceed(): void
}

/** A pair, or why there is none, for each of at most `batchSize` seeds, in their order. */
export type PairMaker = (request: PairMakerRequest) => Promise<(Candidate | Failure)[]>

/** One picture of a seed that is tried; the first is the seed's own. */
interface Trial extends Asked {
  index: number
  attempt: number
}

type Refusal = AlignmentVerdict | 'filtered'

const keyOf = ({ seed, attempt }: Trial): number | string => (attempt === 0 ? seed : `${seed}/${attempt}`)

const failureOf = (seed: number, refusals: readonly Refusal[], options: AlignmentOptions): Failure => {
  const verdicts = refusals.filter(refusal => refusal !== 'filtered')
  const filtered = refusals.length - verdicts.length
  const reasons = [
    ...(filtered > 0 ? [`${filtered} by the filter`] : []),
    ...(verdicts.length > 0 ? [explainRefusals(verdicts, options)] : []),
  ]
  const refused = [...tallyRefusals(verdicts, options), ...(filtered > 0 ? [{ limit: 'filter', count: filtered }] : [])]
  const reason = filtered > verdicts.length ? 'filtered' : 'misaligned'
  const message = `imagen: none of ${refusals.length} pairs of seed ${seed} was accepted: ${reasons.join('; ')}`
  return {
    seed,
    reason,
    error: new FxError('not-found', message, { details: { seed, reason, attempts: refusals.length, refused } }),
  }
}

const masksOf = async (maskOf: MaskOf, inputs: readonly RgbImage[], rows: readonly Trial[]): Promise<Masks> => {
  const values: Uint8Array[] = []
  for (const [row, input] of inputs.entries()) {
    const mask = await maskOf(input, rows[row]!.seed)
    const size = input.width * input.height
    if (!(mask instanceof Uint8Array) || mask.length !== size) {
      throw new FxError(
        'shape-mismatch',
        `imagen: the mask of seed ${rows[row]!.seed} must be a Uint8Array of ${size} values, got ${mask?.length}`,
      )
    }
    values.push(mask)
  }
  const { width, height } = inputs[0]!
  const flat = Float32Array.from(values.flatMap(mask => Array.from(mask, value => (value > 0 ? 1 : 0))))
  return tf.tensor4d(flat, [inputs.length, height, width, 1])
}

export const createPairMaker = (options: PairMakerOptions): PairMaker => {
  const { cascade, embedder, method, mapping, mask, source, filter, alignment, attempts, batchSize } = options
  const { resolution } = cascade

  const accepted = async (image: RgbImage): Promise<boolean> => !filter || Boolean(await filter(image))

  /** One pass: the pictures of a batch of trials at each strength that is asked for. */
  const withPictures = async (
    rows: readonly Trial[],
    request: PairMakerRequest,
    use: (
      inputs: readonly RgbImage[],
      targetsAt: (strengths: readonly number[]) => Promise<RgbImage[]>,
    ) => Promise<void>,
  ): Promise<void> => {
    const { negative, signal, proceed } = request
    const texts: tf.Tensor3D[] = []
    let rendering: Rendering | undefined
    let masks: Masks | undefined
    try {
      for (const prompts of [rows.map(row => row.prompts.input), rows.map(row => row.prompts.target), [negative]]) {
        texts.push(await embedder.embed(prompts))
      }
      const [before, after, without] = texts as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D]
      const common = {
        negative: without,
        seeds: rows.map(keyOf),
        signal,
        onStep: (progress: CascadeProgress) => {
          proceed()
          options.onProgress?.(progress)
        },
      }
      if (source) {
        const given = toTensor(await Promise.all(rows.map(({ seed }) => source(seed, resolution))), resolution)
        try {
          rendering = cascade.renderingOf(given)
        } finally {
          given.dispose()
        }
      } else {
        const shared = method.kind === 'shared-noise' ? method.shared : 0
        rendering = await cascade.render({ ...common, text: before, shared })
      }
      const from = rendering
      const inputs = await toRgbImages(from.images.at(-1)!)
      if (mask) masks = await masksOf(mask, inputs, rows)
      const editAt = async (values: readonly number[]): Promise<RgbImage[]> => {
        const edited = await cascade.edit(from, {
          ...common,
          before,
          text: after,
          method,
          strength: { mapping, values },
          ...(masks && { masks }),
        })
        try {
          return await toRgbImages(edited.images.at(-1)!)
        } finally {
          edited.dispose()
        }
      }
      const targetsAt = async (values: readonly number[]): Promise<RgbImage[]> => {
        if (mapping !== 'sdedit') return editAt(values)
        // Edits that begin at other steps cannot run together.
        const byValue = new Map<number, RgbImage[]>()
        for (const value of new Set(values)) byValue.set(value, await editAt(values.map(() => value)))
        return values.map((value, row) => byValue.get(value)![row]!)
      }
      await use(inputs, targetsAt)
    } finally {
      rendering?.dispose()
      tf.dispose([...texts, ...(masks ? [masks] : [])])
    }
  }

  return async request => {
    const { asked, strengths } = request
    const found: (Candidate | Failure)[] = []
    const refusals = asked.map((): Refusal[] => [])
    let open = asked.map((one, index): Trial => ({ ...one, index, attempt: 0 }))
    while (open.length > 0) {
      // Every pass has the same shape, so that an image does not depend on how many are made with it.
      const rows = Array.from({ length: batchSize }, (_, row) => open[row] ?? open[0]!)
      await withPictures(rows, request, async (inputs, targetsAt) => {
        // Judged at the strongest: else weak pairs would be refused as unchanged, and a seed would show another picture at
        // another strength. Strength 0 is the input itself.
        const strongest = alignment ? await targetsAt(rows.map(() => strengths.max)) : undefined
        const own = new Map<number, RgbImage[]>([[0, [...inputs]]])
        if (strongest) own.set(strengths.max, strongest)
        const others = rows.some(({ strength }) => !own.has(strength))
        const apart = others ? await targetsAt(rows.map(({ strength }) => strength)) : undefined
        for (const [row, trial] of open.entries()) {
          const input = inputs[row]!
          const target = (own.get(trial.strength) ?? apart!)[row]!
          const verdict = strongest && judgeAlignment(input, strongest[row]!, alignment || {})
          if (verdict?.broken) refusals[trial.index]!.push(verdict)
          else if (!(await accepted(input)) || !(await accepted(target))) refusals[trial.index]!.push('filtered')
          else {
            const { index, ...candidate } = trial
            found[index] = { ...candidate, input, target, ...(verdict && { scores: verdict.scores }) }
          }
        }
      })
      open = open
        .filter(({ index }) => !found[index])
        .map(trial => ({ ...trial, attempt: trial.attempt + 1 }))
        .filter(({ index, seed, attempt }) => {
          if (attempt < attempts) return true
          found[index] = failureOf(seed, refusals[index]!, alignment || {})
          return false
        })
    }
    return found
  }
}
