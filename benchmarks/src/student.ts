import { seededRandom } from '@fx/core'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { type Student, unetStudent } from '@fx/unet-student'
import type { Contender, Scenario } from './scenario.js'

/** The student of a scenario, or the preset that a contender names instead. */
export const benchmarkStudent = ({ width, size }: Scenario, { preset }: Contender): Student =>
  preset
    ? unetStudent({ inputSize: size, preset, seed: 1 })
    : unetStudent({ inputSize: size, encoder: mobilenetEncoder({ width, batchNormMomentum: 0.9 }), seed: 1 })

/** A reproducible batch of images, NHWC in [0, 1]. */
export const benchmarkImages = ({ size, batch }: Scenario, purpose: string): Float32Array => {
  const random = seededRandom('benchmark', purpose)
  return Float32Array.from({ length: batch * size * size * 3 }, random.uniform)
}
