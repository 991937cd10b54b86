import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { throwIfAborted } from '../../contract/request.js'
import { seededNoise } from '../diffusion/noise.js'
import { addNoise } from '../diffusion/prediction.js'
import type { Sampler } from '../diffusion/sampler.js'
import { discreteSchedule } from '../diffusion/schedule.js'
import { resolveSchedulerConfig } from '../diffusion/scheduler-config.js'
import type { ImagenStageWeights } from '../stage-file.js'
import type { Cascade, CascadeRequest, Rendering } from './cascade-types.js'
import { type Denoised, type DenoiseOptions, denoise, type Waypoint } from './denoise.js'
import { checkEditStrength, editConditions, firstStep, type ResolvedEditMethod, resolveEditMethod } from './edit.js'
import { type Condition, guidedBy, predictGuided } from './guidance.js'
import { changedMasks, checkMasks, composite, keeping, type Masks, predictMasks, resized } from './mask.js'
import { lowResolutionInput, openStage, type Stage, type StageSampling } from './stage.js'

export interface CascadeOptions {
  /** The base stage, then those that enlarge. */
  stages: readonly ImagenStageWeights[]
  /** How each is sampled. */
  sampling?: readonly StageSampling[]
}

/** A run of one stage: what it is told, and where it begins when not in noise. */
type Way = Pick<Partial<DenoiseOptions>, 'start' | 'from' | 'keep' | 'remember'> & {
  conditions: readonly Condition[]
  /** The images to be enlarged. */
  low?: tf.Tensor4D | undefined
}

const checkResolutions = (stages: readonly Stage[], weights: readonly ImagenStageWeights[]): void => {
  for (const [i, { resolution }] of stages.entries()) {
    const below = stages[i - 1]?.resolution
    if (below === undefined) continue
    const expected = weights[i]!.stage.lowResolution ?? below
    if (expected !== below || below >= resolution) {
      throw new FxError(
        'invalid-argument',
        `imagen: stage ${i + 1} enlarges ${expected} pixels to ${resolution}; the stage before makes ${below}`,
      )
    }
  }
}

const checkShape = (images: tf.Tensor4D, expected: readonly number[]): void => {
  if (images.rank === 4 && images.shape.every((size, axis) => size === expected[axis])) return
  throw new FxError(
    'shape-mismatch',
    `imagen: images must be [${expected.join(', ')}], got [${images.shape.join(', ')}]`,
  )
}

const checkSource = ({ images }: Rendering, stages: readonly Stage[], count: number): void => {
  for (const [i, { resolution: side }] of stages.entries()) checkShape(images[i]!, [count, side, side, 3])
}

/** Checks a request, and gives the negative prompt a row for each image. */
const rowsOf = ({ negative, seeds, text }: CascadeRequest, own: Own): tf.Tensor3D | undefined => {
  if (seeds.length === 0 || text.shape[0] !== seeds.length) {
    throw new FxError('shape-mismatch', `imagen: ${seeds.length} seeds for ${text.shape[0]} prompts`)
  }
  return negative && negative.shape[0] !== seeds.length ? own(tf.tile(negative, [seeds.length, 1, 1])) : negative
}

interface EditStart {
  source: Rendering
  original: tf.Tensor4D
  noise: tf.Tensor4D
  sampler: Sampler
  from: number
}

/** Where an edit begins: in noise, on the way of its source, or at its source under noise. */
const startOf = (method: ResolvedEditMethod, { source, original, noise, sampler, from }: EditStart): Waypoint => {
  if (from === 0) return { x: noise.clone() }
  if (method.kind !== 'shared-noise') return { x: addNoise(original, noise, sampler.scales[from]!) }
  if (source.remembered?.index !== from) {
    throw new FxError(
      'invalid-argument',
      "imagen: steps can be shared only with an input rendered for it: give render() the 'shared' of the method",
    )
  }
  const { x, previous } = source.remembered.at
  return { x: x.clone(), ...(previous && { previous: previous.clone() }) }
}

const renderingWith = (images: readonly tf.Tensor4D[], remembered?: Rendering['remembered']): Rendering => ({
  images,
  ...(remembered && { remembered }),
  dispose: () => {
    tf.dispose([...images, ...(remembered ? Object.values(remembered.at) : [])])
  },
})

type Own = <T extends tf.Tensor>(tensor: T) => T

/** A rendering in the making. */
interface Draft {
  images: tf.Tensor4D[]
  remembered?: Rendering['remembered']
}

/** Runs work that makes a rendering: what it owns besides is freed in the end, and all of it when it fails. */
const drafted = async (work: (draft: Draft, own: Own) => Promise<void>): Promise<Rendering> => {
  const owned: tf.Tensor[] = []
  const draft: Draft = { images: [] }
  try {
    await work(draft, tensor => {
      owned.push(tensor)
      return tensor
    })
    return renderingWith(draft.images, draft.remembered)
  } catch (error) {
    renderingWith(draft.images, draft.remembered).dispose()
    throw error
  } finally {
    tf.dispose(owned)
  }
}

/**
 * A cascade of diffusion stages from its weights. All stages' networks are in memory at once; images are made as many at
 * a time as a request names.
 *
 * Source: Saharia et al., "Photorealistic text-to-image diffusion models with deep language understanding", NeurIPS 2022;
 * Ho et al., "Cascaded diffusion models for high fidelity image generation", JMLR 2022.
 *
 * @throws FxError `invalid-argument` for stages that do not fit together or options out of range, and those of
 *   `imagenUnet`. Methods throw `aborted` (leaving no tensor), `not-finite`, `shape-mismatch`, `invalid-argument`.
 */
export const cascade = ({ stages: weights, sampling = [] }: CascadeOptions): Cascade => {
  if (weights.length === 0 || sampling.length > weights.length) {
    throw new FxError(
      'invalid-argument',
      `imagen: a cascade has at least one stage and at most as many samplings, got ${weights.length} and ${sampling.length}`,
    )
  }
  const stages: Stage[] = []
  const dispose = () => {
    for (const { unet } of stages) unet.dispose()
  }
  try {
    for (const [i, stage] of weights.entries()) stages.push(openStage(stage, i, sampling[i] ?? {}))
    checkResolutions(stages, weights)
  } catch (error) {
    dispose()
    throw error
  }
  const base = stages[0]!
  const resolution = stages.at(-1)!.resolution
  const chain = discreteSchedule(resolveSchedulerConfig(weights[0]!.scheduler))

  const streams = (seeds: CascadeRequest['seeds'], stage: number, ...purpose: (string | number)[]) =>
    seeds.map(seed => [seed, 'imagen', stage, ...purpose])
  const noiseOf = (seeds: CascadeRequest['seeds'], stage: number, ...purpose: (string | number)[]): tf.Tensor4D => {
    const side = stages[stage]!.resolution
    return seededNoise(streams(seeds, stage, ...purpose), [side, side, 3])
  }

  const run = async (i: number, request: CascadeRequest, way: Way): Promise<Denoised> => {
    const stage = stages[i]!
    const { sampler, low } = stage
    const { seeds, signal, onStep } = request
    const { conditions, from = 0 } = way
    const steps = sampler.timesteps.length - from
    const behind = low && lowResolutionInput(stage, low, way.low!, streams(seeds, i, 'low'))
    try {
      return await denoise({
        ...way,
        sampler,
        from,
        start: way.start ?? { x: noiseOf(seeds, i, 'start') },
        predict: (x, timestep) => predictGuided(stage, x, timestep, conditions, behind),
        noise: index => noiseOf(seeds, i, 'step', index),
        proceed: () => throwIfAborted(signal),
        onStep: step => onStep?.({ stage: i + 1, stages: stages.length, step, steps }),
      })
    } finally {
      behind?.dispose()
    }
  }

  const render: Cascade['render'] = request =>
    drafted(async (draft, own) => {
      const negative = rowsOf(request, own)
      const shared = firstStep(resolveEditMethod({ kind: 'shared-noise', shared: request.shared ?? 0 }), base.sampler)
      const once = request.seeds.map(() => 1)
      for (const [i, { guidance }] of stages.entries()) {
        const guided = once.map(() => guidance)
        const conditions = guidedBy(guided, [{ text: request.text, shares: once }], negative)
        const remember = i === 0 && shared > 0 ? shared : undefined
        const { x, remembered } = await run(i, request, { conditions, low: draft.images.at(-1), remember })
        draft.images.push(x)
        if (remembered) draft.remembered = { index: shared, at: remembered }
      }
    })

  const edit: Cascade['edit'] = (source, request) =>
    drafted(async ({ images }, own) => {
      const { before, text, seeds, strength, signal } = request
      const method = resolveEditMethod(request.method)
      checkEditStrength(method, strength, seeds.length)
      checkSource(source, stages, seeds.length)
      const negative = rowsOf(request, own)
      let masks: Masks | undefined
      if (method.kind === 'inpaint' && request.masks) masks = checkMasks(request.masks, seeds.length, resolution)
      else if (method.kind === 'inpaint') {
        const looked = { stage: base, images: source.images[0]!, chain, options: method.mask, before, after: text }
        const proceed = () => throwIfAborted(signal)
        masks = own(await predictMasks({ ...looked, streams: streams(seeds, 0, 'mask'), proceed }))
      }
      for (const [i, stage] of stages.entries()) {
        const original = source.images[i]!
        const from = i === 0 ? firstStep(method, stage.sampler, strength) : 0
        if (from === stage.sampler.timesteps.length) {
          images.push(original.clone())
          continue
        }
        const noise = own(noiseOf(seeds, i, 'start'))
        const here = masks && own(resized(masks, stage.resolution))
        const { x } = await run(i, request, {
          conditions: editConditions(stage.guidance, { before, text, negative }, strength),
          low: images.at(-1),
          start: startOf(method, { source, original, noise, sampler: stage.sampler, from }),
          from,
          keep: here && keeping(here, original, noise),
        })
        images.push(x)
        if (i === 0 && method.kind !== 'inpaint' && method.keepUnchanged !== false) {
          masks = own(changedMasks(original, x, method.keepUnchanged))
        }
        const free = here ?? masks
        if (!free) continue
        images[i] = composite(free, x, original)
        x.dispose()
      }
    })

  return {
    resolution,
    stages,
    render,
    edit,
    async generate(request) {
      const { images, remembered } = await render(request)
      tf.dispose([...images.slice(0, -1), ...(remembered ? Object.values(remembered.at) : [])])
      return images.at(-1)!
    },
    renderingOf(given) {
      const [count] = given.shape
      checkShape(given, [count, resolution, resolution, 3])
      return renderingWith(
        stages.map(({ resolution: side }) =>
          side === resolution
            ? given.clone()
            : resolution % side === 0
              ? tf.avgPool(given, resolution / side, resolution / side, 'valid')
              : tf.image.resizeBilinear(given, [side, side], false, true),
        ),
      )
    },
    dispose,
  }
}
