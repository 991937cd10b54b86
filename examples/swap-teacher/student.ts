import type { DistillConfig } from '@fx/distill'
import { effectBundle } from '@fx/export/node'
import { l1 } from '@fx/losses'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { portraits } from '@fx/teacher-adapters/portraits'
import { unetStudent } from '@fx/unet-student'

/** Pink hair: the effect, the student that learns it, how it is trained and who judges it. No teacher is named here. */
export const pinkHair = {
  name: 'Pink hair',
  size: 64,
  effect: {
    id: 'hair-colour',
    prompt: 'a portrait of a person with bright pink hair',
    parameters: { strength: { min: 0, max: 1, default: 1 } },
  },
  student: ({ seed, size }) =>
    unetStudent({
      inputSize: size,
      encoder: mobilenetEncoder({ width: 0.5, batchNormMomentum: 0.9 }),
      seed,
    }),
  // A network's edit touches every pixel a little; what counts as changed is more than that. Its pairs are kept: it took
  // minutes to make them.
  pairs: { train: 1000, heldOut: 128, changedThreshold: 24, shards: true },
  training: {
    steps: 800,
    batchSize: 8,
    learningRate: 8e-3,
    changedRegionWeight: 4,
    loss: l1(),
  },
  // Drawn portraits, where the true effect is known. Their seeds are used nowhere else: neither teacher was made from them.
  judge: { teacher: () => portraits({ style: 'pixelArt' }), pairs: 256, firstSeed: 20_000_000 },
  exporter: effectBundle({ name: 'Pink hair' }),
} satisfies Omit<DistillConfig, 'out' | 'teacher'>
