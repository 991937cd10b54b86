import { l1, warmUp, weighted } from '@fx/losses'
import { adversarial, featureMatching, patchDiscriminator } from '@fx/losses/adversarial'
import { pinkHair } from './pink-hair.js'

/** Judges patches of an answer together with the input that the student was shown. */
const discriminator = patchDiscriminator({ layers: 2, inputChannels: 3 })
const schedule = warmUp(100, 50)

export default pinkHair(
  'adversarial',
  weighted([
    { name: 'l1', loss: l1() },
    {
      name: 'adversarial',
      loss: adversarial(discriminator, { gradientPenalty: { kind: 'r1' } }),
      weight: 0.1,
      balance: true,
      schedule,
    },
    { name: 'features', loss: featureMatching(discriminator), balance: true, schedule },
  ]),
  { adversaryLearningRate: 2e-3 },
)
