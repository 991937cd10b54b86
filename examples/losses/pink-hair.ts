import { defineConfig, type TrainingOptions } from '@fx/distill'
import { perImage, ssim } from '@fx/losses/metrics'
import { featureDistance } from '@fx/losses/perceptual'
import { uncalibratedFaceFeatures } from '@fx/losses/perceptual/face'
import { stylegan2Portraits } from '@fx/miniatures/stylegan2'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { stylegan2Teacher } from '@fx/teacher-adapters/stylegan2'
import { unetStudent } from '@fx/unet-student'

/** The quickstart's effect, student and pairs, for a loss: all that differs between two runs is what they minimise. */
export const pinkHair = (
  name: string,
  loss: NonNullable<TrainingOptions['loss']>,
  training?: Partial<TrainingOptions>,
) =>
  defineConfig({
    name: `Pink hair, ${name}`,
    out: `out/losses/${name}`,
    size: 64,
    effect: {
      id: 'hair-colour',
      prompt: 'a portrait of a person with bright pink hair',
      parameters: { strength: { min: 0, max: 1, default: 1 } },
    },
    teacher: () => stylegan2Teacher(stylegan2Portraits),
    student: ({ seed, size }) =>
      unetStudent({ inputSize: size, encoder: mobilenetEncoder({ width: 0.5, batchNormMomentum: 0.9 }), seed }),
    pairs: { train: 3000, heldOut: 128, changedThreshold: 24, shards: 'out/losses/pairs' },
    training: { steps: 2000, batchSize: 8, learningRate: 8e-3, changedRegionWeight: 4, loss, ...training },
    // A network that learned from photographs of faces, and that no loss here looks through.
    metrics: async () => {
      const faces = featureDistance(await uncalibratedFaceFeatures())
      return [
        perImage('perceptual distance (face features)', ({ output, target }) => faces.distances(output, target), {
          ideal: 0,
        }),
        ssim(),
      ]
    },
  })
