import { defineConfig } from '@fx/distill'
import { charbonnier, gradientLoss, weighted } from '@fx/losses'
import { ssim } from '@fx/losses/metrics'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { painterly, proceduralTeacher } from '@fx/teacher-adapters/procedural'
import { unetStudent } from '@fx/unet-student'
import { painterBundle } from './painter-bundle.js'

/** A painting of the whole frame, distilled from a slow filter on procedural pictures: no network, no photographs. */
export default defineConfig({
  name: 'Painter',
  out: 'out/painter',
  // Crops of what ships at 256: the brush has its size in pixels, and so have the student's convolutions.
  size: 128,
  // Strength is a mixture of picture and painting, which needs no network: the student always paints in full.
  effect: { ...painterly, parameters: {} },
  teacher: () => proceduralTeacher(),
  student: ({ seed, size }) =>
    unetStudent({
      inputSize: size,
      // A brush stroke is a local matter: few channels and few layers at low resolution, and at full resolution, where every
      // operation is dearest, nothing but the layer that mixes.
      encoder: mobilenetEncoder({ width: 0.28, depth: 0.3 }),
      decoder: { channels: [24, 24, 24, 16, 8], blocks: [0, 0, 1, 1, 0], skip: 'add' },
      head: 'alpha',
      headKernelSize: 1,
      seed,
    }),
  pairs: { train: 704, heldOut: 64, shards: 'out/painter-pairs' },
  training: {
    steps: 2400,
    batchSize: 4,
    learningRate: 5e-3,
    ema: 0.998,
    changedRegionWeight: 2,
    loss: weighted([
      { name: 'charbonnier', loss: charbonnier() },
      { name: 'edges', loss: gradientLoss(), weight: 0.25 },
    ]),
    augmentation: { shift: 8, brightness: 0.2, colour: 0.1 },
    checkpointEvery: 50,
    evaluateEvery: 200,
  },
  metrics: () => [ssim()],
  exporter: painterBundle(),
})
