import { FxError, type ParameterRange } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { breather } from '../breather.js'
import type { RgbImage } from '../contract/types.js'
import {
  type AlignmentOptions,
  type AlignmentScores,
  type AlignmentVerdict,
  judgeAlignment,
} from '../image/alignment.js'
import { explainRefusals, largestScores, tallyRefusals } from '../image/refusals.js'
import { toRgbImages } from '../image/tensor.js'
import type { Edit } from './edits/edit.js'
import type { Generator, Latents, TruncationOptions } from './generator.js'

export interface PairMakerOptions {
  generator: Generator
  truncation: TruncationOptions
  noise: 'const' | 'none' | 'random'
  label: readonly number[] | undefined
  alignment: Required<AlignmentOptions> | false
  attempts: number
  batchSize: number
}

interface Asked {
  seed: number
  parameters: Record<string, number>
  strength: number
}

/** A pair at the generator's own resolution, and which face of its seed it shows. */
export interface Candidate extends Asked {
  attempt: number
  input: RgbImage
  target: RgbImage
  /** Absent without an alignment filter. Of two judged ends, the larger scores. */
  scores?: AlignmentScores
}

export interface PairMaker {
  /** @throws FxError when an edit does not fit the generator. */
  check(edit: Edit): void
  /**
   * A pair for each of at most `batchSize` seeds, in their order.
   *
   * @param proceed called between images; throws to stop.
   * @throws FxError `not-found` when all attempts of a seed are refused.
   */
  make(asked: readonly Asked[], edit: Edit, strengths: ParameterRange, proceed: () => void): Promise<Candidate[]>
}

/** The face that a seed shows at an attempt; the first is the seed's own. */
const keyOf = ({ seed, attempt }: { seed: number; attempt: number }): number | string =>
  attempt === 0 ? seed : `${seed}/${attempt}`

/**
 * A pair is judged at the strongest edit each way, not at its own strength: else weak pairs would be refused as
 * unchanged, and a seed would show another face at another strength.
 */
const judgedStrengths = ({ min, max }: ParameterRange): number[] => [
  ...(max > 0 ? [max] : []),
  ...(min < 0 ? [min] : []),
]

export const createPairMaker = (options: PairMakerOptions): PairMaker => {
  const { generator, truncation, noise, label, alignment, attempts, batchSize } = options

  const wOf = (keys: readonly (number | string)[]): tf.Tensor3D =>
    tf.tidy(() => {
      const z = generator.latents(keys)
      const labels = label && tf.tensor2d(keys.map(() => [...label]))
      return generator.truncate(generator.mapping(z, labels), truncation)
    })

  const render = async (
    latents: () => Latents,
    keys: readonly (number | string)[],
    proceed: () => void,
  ): Promise<RgbImage[]> => {
    proceed()
    const images = tf.tidy(() =>
      generator.synthesis(latents(), { noise: noise === 'random' ? { seeds: keys } : noise }),
    )
    try {
      return await toRgbImages(images)
    } finally {
      images.dispose()
    }
  }

  return {
    check(edit) {
      tf.tidy(() => {
        edit.apply(generator, wOf([0]), [edit.strength.default])
      })
    },
    async make(asked, edit, strengths, proceed) {
      const breathe = breather()
      const ends = alignment ? judgedStrengths(strengths) : []
      const found: Candidate[] = []
      const refusals = asked.map((): AlignmentVerdict[] => [])
      let open = asked.map((request, index) => ({ ...request, index, attempt: 0 }))
      while (open.length > 0) {
        // Every pass has the same shape, so that an image does not depend on how many are made with it.
        const rows = Array.from({ length: batchSize }, (_, row) => open[row] ?? open[0]!)
        const keys = rows.map(keyOf)
        const w = wOf(keys)
        try {
          const at = async (values: readonly number[]) => {
            await breathe()
            return render(() => edit.apply(generator, w, values), keys, proceed)
          }
          await breathe()
          const inputs = await render(() => w, keys, proceed)
          const edited = new Map<number, RgbImage[]>([[0, inputs]])
          for (const end of ends) edited.set(end, await at(rows.map(() => end)))
          const verdicts = open.map((_, row) =>
            ends.map(end => judgeAlignment(inputs[row]!, edited.get(end)![row]!, alignment || {})),
          )
          const passed = open.filter((_, row) => verdicts[row]!.every(({ broken }) => !broken))
          const own = passed.some(({ strength }) => !edited.has(strength)) && (await at(rows.map(r => r.strength)))
          open.forEach((face, row) => {
            const { index, ...candidate } = face
            if (!passed.includes(face)) {
              refusals[index]!.push(verdicts[row]!.find(({ broken }) => broken)!)
              return
            }
            const target = (edited.get(face.strength) || own || inputs)[row]!
            const scores = largestScores(verdicts[row]!.map(verdict => verdict.scores))
            found[index] = { ...candidate, input: inputs[row]!, target, ...(scores && { scores }) }
          })
        } finally {
          w.dispose()
        }
        open = open.filter(({ index }) => !found[index]).map(face => ({ ...face, attempt: face.attempt + 1 }))
        const hopeless = open.find(({ attempt }) => attempt === attempts)
        if (hopeless) {
          const refused = refusals[hopeless.index]!
          throw new FxError(
            'not-found',
            `stylegan2: none of ${refused.length} faces of seed ${hopeless.seed} passed the alignment filter: ${explainRefusals(refused, alignment || {})}`,
            {
              details: {
                seed: hopeless.seed,
                attempts: refused.length,
                refused: tallyRefusals(refused, alignment || {}),
              },
            },
          )
        }
      }
      return found
    },
  }
}
