import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { breather } from '../../breather.js'
import type { Sampler } from '../diffusion/sampler.js'
import type { NoiseScale } from '../diffusion/schedule.js'

/** A point on the way from noise to a picture. */
export interface Waypoint {
  x: tf.Tensor4D
  /** The picture that the step before predicted; absent at the start. */
  previous?: tf.Tensor4D
}

export interface DenoiseOptions {
  sampler: Sampler
  /** Where the way begins; taken over. */
  start: Waypoint
  /** The first step to take. */
  from: number
  /** The network's guided answer. Runs in a tidy. */
  predict(x: tf.Tensor4D, timestep: number): tf.Tensor4D
  /** The noise of a step. Runs in a tidy. */
  noise(index: number): tf.Tensor4D
  /** Puts back what must not change, at the scale that a step led to. Runs in a tidy. */
  keep?: ((x: tf.Tensor4D, scale: NoiseScale) => tf.Tensor4D) | undefined
  /** Before this step, the way is remembered. */
  remember?: number | undefined
  /** Called before each step; throws to stop. */
  proceed(): void
  /** Called after each step with its number, from 1. */
  onStep(step: number): void
}

/** What a way leads to; the caller owns it. */
export interface Denoised {
  x: tf.Tensor4D
  remembered?: Waypoint
}

const tensorsOf = ({ x, previous }: Waypoint): tf.Tensor[] => (previous ? [x, previous] : [x])

/**
 * Takes noise along a sampler's path to a picture. Whatever is thrown, no tensor is left behind.
 *
 * @throws FxError `not-finite` when the network's answers are, and whatever `proceed` throws.
 */
export const denoise = async (options: DenoiseOptions): Promise<Denoised> => {
  const { sampler, from, predict, noise, keep, remember, proceed, onStep } = options
  const { timesteps, scales } = sampler
  const breathe = breather()
  let at = options.start
  let remembered: Waypoint | undefined
  try {
    for (let index = from; index < timesteps.length; index++) {
      proceed()
      if (index === remember) remembered = { x: at.x.clone(), ...(at.previous && { previous: at.previous.clone() }) }
      const { x, previous } = at
      const next = tf.tidy(() => {
        const output = predict(x, timesteps[index]!)
        const stepped = sampler.step({
          output,
          x,
          index,
          ...(sampler.drawsNoise(index) && { noise: noise(index) }),
          ...(previous && { previous }),
        })
        // Judged before the threshold, which on some backends turns NaN into a colour.
        const finite = tf.all(tf.isFinite(output))
        return { x: keep ? keep(stepped.x, scales[index + 1]!) : stepped.x, previous: stepped.x0, finite }
      })
      const { finite, ...reached } = next
      tf.dispose(tensorsOf(at))
      at = reached
      // A backend that works in the background is not given all steps at once.
      const [sound] = await finite.data()
      finite.dispose()
      if (!sound) {
        throw new FxError('not-finite', 'imagen: the images are not finite; are these the weights of this network?')
      }
      await breathe()
      onStep(index - from + 1)
    }
    at.previous?.dispose()
    return { x: at.x, ...(remembered && { remembered }) }
  } catch (error) {
    tf.dispose([...tensorsOf(at), ...(remembered ? tensorsOf(remembered) : [])])
    throw error
  }
}
