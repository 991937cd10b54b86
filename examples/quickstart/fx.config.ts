import { defineConfig } from '@fx/distill'
import { effectBundle } from '@fx/export/node'
import { l1 } from '@fx/losses'
import { stylegan2Portraits } from '@fx/miniatures/stylegan2'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { portraits } from '@fx/teacher-adapters/portraits'
import { stylegan2Teacher } from '@fx/teacher-adapters/stylegan2'
import { unetStudent } from '@fx/unet-student'

/** Pink hair, distilled from a small StyleGAN2 and judged on drawn portraits: the whole way in a few minutes on two cores. */
export default defineConfig({
  name: 'Pink hair',
  out: 'out/quickstart',
  size: 64,
  effect: {
    id: 'hair-colour',
    prompt: 'a portrait of a person with bright pink hair',
    parameters: { strength: { min: 0, max: 1, default: 1 } },
  },
  teacher: () => stylegan2Teacher(stylegan2Portraits),
  student: ({ seed, size }) =>
    unetStudent({
      inputSize: size,
      encoder: mobilenetEncoder({ width: 0.5, batchNormMomentum: 0.9 }),
      seed,
    }),
  // A GAN's edit touches every pixel a little; what counts as changed is more than that.
  pairs: { train: 3000, heldOut: 128, changedThreshold: 24 },
  training: {
    steps: 800,
    batchSize: 8,
    learningRate: 8e-3,
    changedRegionWeight: 4,
    loss: l1(),
  },
  // Drawn portraits, which nothing here was trained on: there the true effect is known.
  judge: { teacher: () => portraits({ style: 'pixelArt' }), firstSeed: 10_000_000 },
  exporter: effectBundle({ name: 'Pink hair' }),
})
