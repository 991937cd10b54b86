import { type EffectSpec, FxError, hashJson, integerIn } from '@fx/core'
import { breather } from '../../breather.js'
import { validatePairRequest } from '../../contract/request.js'
import type { Licence, PairRequest, RgbImage, SkippedSeed, TeacherAdapter, TeacherPair } from '../../contract/types.js'
import { downscale } from '../../image/downscale.js'
import type { ImageSource } from '../../training/image-source.js'
import {
  checkFade,
  crossFade,
  type EditMask,
  editOf,
  type HostedAlignmentOptions,
  maskOf,
  questionOf,
  refusedBySource,
  resolveHostedAlignment,
} from './edit.js'
import type { HostedUsage } from './meter.js'
import { type HostedOptions, Refused } from './options.js'
import { inOrder } from './order.js'
import { type PromptTemplate, promptTemplate } from './prompt.js'
import { createService } from './service.js'
import type { Job } from './visit.js'

/** Raised whenever the same answers would give other pairs. */
const REVISION = 1

export interface HostedImagenTeacherOptions extends HostedOptions {
  /** The photographs: `imageFolder`, `shardImages`, `teacherImages`, `hostedImages` or another source. Seed `n` is image `n`. */
  images: ImageSource
  /** Side at which photographs are loaded, sent and edited, pixels, 8 to 4096. Smaller pairs are made of the same answers. */
  resolution: number
  /**
   * The words that the model gets: a text with `{prompt}`, `{negativePrompt}` and the names of parameters, or a function.
   * Default: for `gemini` an instruction to show the effect's prompt and keep all else, for `vertex-predict` the prompt.
   */
  prompt?: string | PromptTemplate
  /**
   * Where the effect may act: for each image `resolution * resolution` values from 0 (the input's pixel stays) to 255, or
   * (with `vertex-predict`) what the service shall find. Its version changes when the same image would get another mask.
   */
  mask?: EditMask
  /** Which pairs are refused; false accepts every one. */
  alignment?: HostedAlignmentOptions | false
  /** Under which terms the photographs and their edits stand. Default `NOASSERTION`. */
  licence?: Licence
  /** Letters, digits, `_` and `-`. Default `imagen-hosted`. */
  id?: string
}

export interface HostedImagenTeacher extends TeacherAdapter {
  /** What this teacher used since it was made. */
  usage(): HostedUsage
}

/**
 * A hosted image model as a teacher: the input is a photograph, the target the model's edit of it, brought to the
 * photograph's size and laid over it to fractions of a pixel. Any effect with a prompt is understood.
 *
 * A seed is an image of the source. One that gives no pair (filtered, misaligned, refused, unavailable after all retries)
 * is told to the request's `onSkip` and passed over. Answers and failures are kept in `cache` by the photograph's pixels,
 * the words, the model and the config: whatever is asked again, also in another run, makes no request and needs no key.
 *
 * `strength`, where an effect has it, is the share of the edit in a cross-fade with the input, 0 to 1, of one and the
 * same answer; unless the prompt names `{strength}`: then the model is asked anew for each value.
 *
 * Seeds given as an array are asked for `concurrency` at a time; from another iterable they are drawn one by one.
 *
 * @throws FxError `invalid-argument`; from `pairs` also `aborted`, `missing-package` (`@google/genai`, or `sharp` for JPEG
 *   and WebP answers), `service-failed` (wrong key, unknown model, a quota reached, too many failures in a row), and those
 *   of the source and the cache. What came before is kept. No error, event or file holds a key.
 */
export const hostedImagenTeacher = (options: HostedImagenTeacherOptions): HostedImagenTeacher => {
  const { images, licence = { id: 'NOASSERTION' }, id = 'imagen-hosted' } = options
  if (!/^[\w-]+$/.test(id)) {
    throw new FxError('invalid-argument', `imagen-hosted: the id '${id}' may hold only letters, digits, _ and -`)
  }
  const service = createService(id, options)
  const { api, model, config, again } = service.options
  const resolution = integerIn(`${id}: resolution`, options.resolution, 8, 4096)
  const template = promptTemplate(id, api, options.prompt)
  const mask = maskOf(id, api, options.mask)
  const alignment = options.alignment !== false && resolveHostedAlignment(options.alignment ?? {})
  const fades = !template.parameters.includes('strength')
  let checked: Promise<void> | undefined
  let disposed = false
  const checkAlive = () => {
    if (disposed) throw new FxError('invalid-argument', `The teacher '${id}' was disposed`)
  }

  /** All images are looked through before the first one costs money. */
  const checkImages = (): Promise<void> => {
    if (!checked) {
      checked = Promise.resolve(images.check?.(resolution))
      checked.catch(() => {
        checked = undefined
      })
    }
    return checked
  }

  const load = async (seed: number): Promise<RgbImage> => {
    let image: RgbImage | undefined
    try {
      ;[image] = await images.load([seed], resolution)
    } catch (error) {
      if (FxError.isInstance(error)) throw error
      const why = `The image source '${images.id}' failed for image ${seed}: ${(error as Error)?.message ?? error}`
      throw new FxError('not-found', why, { cause: error })
    }
    const size = image ? `${image.width} x ${image.height}` : 'missing'
    if (image && size === `${resolution} x ${resolution}`) return image
    throw new FxError(
      'shape-mismatch',
      `Image ${seed} of '${images.id}' is ${size}; ${resolution} x ${resolution} was asked`,
    )
  }

  const pairOf = async (
    seed: number,
    effect: EffectSpec,
    size: number,
    parameters: Record<string, number>,
    job: Job,
  ) => {
    const image = await load(seed)
    const asked = await questionOf({ seed, image, effect, parameters, template, mask, api })
    const { key, record, value } = await service.use(job, asked, record =>
      editOf(image, record, alignment, asked.changes),
    )
    const { target, facts } = value
    const input = plain(image)
    const strength = fades ? (parameters.strength ?? 1) : 1
    const pair: TeacherPair = {
      id: `${id}-${effect.id}-${String(seed).padStart(6, '0')}`,
      input: downscale(input, size),
      target: downscale(strength < 1 ? crossFade(input, target, strength) : target, size),
      parameters,
      provenance: {
        teacher: { id, version: adapter.version },
        seed,
        prompt: asked.prompt,
        licence,
        extra: {
          model: record.modelVersion ?? model,
          api,
          images: images.id,
          answer: key,
          ...(parameters.strength !== undefined && { strengthBy: fades ? 'cross-fade' : 'prompt' }),
          ...facts,
        },
      },
    }
    return pair
  }

  const adapter: HostedImagenTeacher = {
    specificationVersion: 'v1',
    id,
    version: `${REVISION}-${hashJson({
      api,
      model,
      config,
      images: images.id,
      resolution,
      prompt: template.version,
      mask: mask?.version,
      alignment,
    }).slice(0, 16)}`,
    capabilities: {
      // The answer that came first is kept; without a cache a model draws anew each time.
      deterministic: options.cache !== false && again.size === 0,
      pairCount: images.count,
      size: { min: 8, max: resolution },
      effects: 'any',
      parameters: [...new Set([...template.parameters, 'strength'])],
    },
    usage: () => service.usage(),
    async *pairs(request: PairRequest) {
      checkAlive()
      const { effect, size, seeds, parametersFor, throwIfAborted } = validatePairRequest(adapter, request)
      if (fades) checkFade(effect)
      const visit = service.enter(request.signal)
      const breathe = breather()
      const skip = (skipped: SkippedSeed) => {
        options.onEvent?.({ ...skipped, type: 'skip', label: `image ${skipped.seed}` })
        request.onSkip?.(skipped)
      }
      try {
        await visit.job(checkImages)
        const ahead = Array.isArray(seeds) ? 2 * service.options.concurrency : 1
        const jobs = inOrder(seeds, ahead, seed =>
          visit
            .job(job => pairOf(seed, effect, size, parametersFor(seed), job))
            .catch((error): SkippedSeed => {
              const reason = error instanceof Refused ? error.reason : refusedBySource(error)
              if (!reason) throw error
              return { seed, reason, message: (error as Error).message }
            }),
        )
        for await (const made of jobs) {
          await breathe()
          throwIfAborted()
          checkAlive()
          if ('input' in made) yield made
          else skip(made)
        }
      } catch (error) {
        throwIfAborted()
        checkAlive()
        throw error
      } finally {
        await visit.leave()
      }
    },
    async dispose() {
      disposed = true
      service.dispose()
    },
  }
  return adapter
}

/** Without a caption or a label, and the caller's to keep: the source may give its own pixels. */
const plain = ({ width, height, data }: RgbImage): RgbImage => ({ width, height, data: data.slice() })
