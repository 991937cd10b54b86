import { type Convention, encoderFamilies, type MobilenetEncoderOptions, mobilenetEncoder } from '@fx/mobilenet-encoder'
import { testEncoder } from './encoder-tester.js'

/** Every family in each convention and padding, and every other option at least once. */
const zoo: MobilenetEncoderOptions[] = [
  ...encoderFamilies.flatMap(family => {
    const conventions: Convention[] = family.startsWith('v4') ? ['timm'] : ['keras', 'timm']
    return conventions.map(convention => ({ family, convention, width: 0.1, depth: 0.5 }))
  }),
  { family: 'v1', width: 0.07, padding: 'keras', depth: 0.3 },
  { family: 'v2', width: 0.25, padding: 'keras', depth: 0.3 },
  { family: 'v3-small', width: 0.35, padding: 'keras', depth: 0.3 },
  { family: 'v3-large', width: 0.1, padding: 'keras', depth: 0.3 },
  { family: 'v4-conv-small', width: 0.25, padding: 'same', depth: 0.3 },
  { family: 'v3-small', width: 0.1, depth: 0.5, minimalistic: true },
  { family: 'v3-large', width: 0.1, depth: 0.3, minimalistic: true, convention: 'timm' },
  { family: 'v1', width: 0.1, depth: 0.3, branches: 2 },
  { family: 'v3-small', width: 0.1, depth: 0.3, branches: 3 },
  { family: 'v4-conv-small', width: 0.1, depth: 0.3, branches: 2, batchNormMomentum: 0.95 },
]
for (const options of zoo) testEncoder(JSON.stringify(options), () => mobilenetEncoder(options))

for (const channels of [1, 4, 6]) {
  testEncoder(
    `an input of ${channels} channels`,
    () => mobilenetEncoder({ family: 'v4-conv-small', width: 0.1, depth: 0.1 }),
    channels,
  )
}
