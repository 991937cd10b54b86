import { FxError, hashJson } from '@fx/core'
import type { RgbImage } from '../../contract/types.js'
import type { ImageSource, TrainingImage } from '../../training/image-source.js'
import { decodeAnswer } from './decode.js'
import type { HostedUsage } from './meter.js'
import { type HostedOptions, Refused } from './options.js'
import { centreSquare, resample } from './resample.js'
import { createService } from './service.js'
import type { Job } from './visit.js'
import { bytesOf } from './wire.js'

export interface HostedImagesOptions extends HostedOptions {
  /** Image `n` shows prompt `n`. The same words twice are two images. */
  prompts: readonly string[]
  /** What no image shall show. With `vertex-predict` only; elsewhere say it in the prompts. */
  negativePrompt?: string
}

export interface HostedImages extends ImageSource {
  /** What this source used since it was made. */
  usage(): HostedUsage
  /** Cuts short what is under way. Later calls of `load` throw. */
  dispose(): Promise<void>
}

/**
 * Images that a hosted model makes from prompts (`generateContent`, or `generateImages` with `vertex-predict`), each with
 * its prompt as caption: photographs for `hostedImagenTeacher` where there are none, or images to train on. The middle
 * square of an answer, at the size that is asked for. Answers and failures are kept in `cache`.
 *
 * @throws FxError `invalid-argument`; from `load` those of `hostedImagenTeacher`, and `service-failed` with
 *   `details.refused` for an image that the service does not make.
 */
export const hostedImages = (options: HostedImagesOptions): HostedImages => {
  const what = 'hosted images'
  const { prompts, negativePrompt } = options
  if (
    !Array.isArray(prompts) ||
    prompts.length === 0 ||
    prompts.some(text => typeof text !== 'string' || text === '')
  ) {
    throw new FxError('invalid-argument', `${what}: prompts must be one text or more, none of them empty`)
  }
  const service = createService(what, options)
  const { api, model, config } = service.options
  if (negativePrompt && api !== 'vertex-predict') {
    throw new FxError('invalid-argument', `${what}: generateContent has no negative prompt; say it in the prompts`)
  }
  // The same words again are another image, so their answers must not be the same file.
  const seen = new Map<string, number>()
  const copies = prompts.map(text => {
    const copy = seen.get(text) ?? 0
    seen.set(text, copy + 1)
    return copy
  })
  let disposed = false

  const image = async (index: number, resolution: number, job: Job): Promise<TrainingImage> => {
    const prompt = prompts[index]
    if (prompt === undefined) {
      throw new FxError('invalid-argument', `There is no image ${index}; the prompts are 0 to ${prompts.length - 1}`)
    }
    const asked = {
      label: `prompt ${index}`,
      identity: { copy: copies[index] },
      prompt,
      ...(negativePrompt && { negativePrompt }),
    }
    const { value } = await service.use(job, asked, async ({ images }): Promise<RgbImage> => {
      try {
        return await decodeAnswer(bytesOf(images[0]!.data))
      } catch (error) {
        if (FxError.isInstance(error, 'corrupt-file')) throw new Refused('unreadable', error.message)
        throw error
      }
    })
    return { ...resample(value, centreSquare(value), resolution, resolution), caption: prompt }
  }

  return {
    id: `hosted ${hashJson({ api, model, config, prompts, negativePrompt }).slice(0, 16)}`,
    count: prompts.length,
    usage: () => service.usage(),
    async load(indices, resolution) {
      if (disposed) throw new FxError('invalid-argument', 'These hosted images were disposed')
      const visit = service.enter(undefined)
      try {
        return await Promise.all(
          indices.map(index =>
            visit
              .job(job => image(index, resolution, job))
              .catch(error => {
                if (!(error instanceof Refused)) throw error
                const { reason, message } = error
                throw new FxError('service-failed', `Image ${index} was not made: ${message}`, {
                  details: { refused: reason, index },
                })
              }),
          ),
        )
      } catch (error) {
        if (disposed) throw new FxError('invalid-argument', 'These hosted images were disposed')
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
}
