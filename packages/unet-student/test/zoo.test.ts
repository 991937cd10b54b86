import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import { encoderFamilies, type MobilenetEncoderOptions, mobilenetEncoder } from '@fx/mobilenet-encoder'
import { type UnetStudentOptions, unetStudent } from '@fx/unet-student'
import { afterAll, beforeAll } from 'vitest'
import { testStudent } from './model-tester.js'

// Gradients take seconds a student on tfjs's cpu backend.
let uninstall: () => void
beforeAll(async () => {
  await prepareBackend({ backend: 'wasm' })
  uninstall = await installTrainingKernels()
})
afterAll(() => uninstall())

type Variant = Omit<UnetStudentOptions, 'inputSize' | 'encoder' | 'seed'>

const strength = { min: 0, max: 1 }

/** Every value of every option of decoder and head, each with several others. */
const variants: Variant[] = [
  {},
  { head: 'residual', decoder: { skip: 'add', blocks: 0, squeezeExcite: true } },
  { head: 'direct', decoder: { skip: 'add', upsampling: 'nearest' } },
  { decoder: { resolution: 'half', skip: 'add' }, headActivation: 'hardSigmoid', parameters: { strength } },
  { head: 'direct', decoder: { resolution: 'half', upsampling: 'nearest' }, headActivation: 'hardSigmoid' },
  {
    head: 'residual',
    headActivation: 'linear',
    headKernelSize: 1,
    decoder: { block: 'depthwiseSeparable', blocks: 2 },
  },
  { decoder: { upsampling: 'nearest', blocks: [0, 1, 0, 2, 1] }, headActivation: 'linear' },
  { decoder: { channels: [12, 10, 8, 6, 5], expansion: 1.5 }, parameters: { strength, hue: { min: -180, max: 180 } } },
  { head: 'direct', headActivation: 'linear', parameters: { age: { min: 20, max: 80 }, strength: { min: 0, max: 2 } } },
  {
    head: 'residual',
    decoder: { resolution: 'half', block: 'universalInvertedBottleneck' },
    parameters: { strength, unused: { min: 1, max: 1.5 } },
  },
  { decoder: { width: 0.1, skip: 'add' }, parameters: { hue: { min: 0, max: 360 } } },
]

const widths: MobilenetEncoderOptions[] = [
  { width: 0.1, depth: 0.3 },
  { width: 0.25, depth: 0.1, padding: 'symmetric' },
]

const testVariant = (encoder: MobilenetEncoderOptions, variant: Variant): void =>
  testStudent(`${JSON.stringify(encoder)} ${JSON.stringify(variant)}`, seed =>
    unetStudent({ inputSize: 32, encoder: mobilenetEncoder(encoder), ...variant, seed }),
  )

// Decoders and heads know of an encoder no more than its features, so every variant meets some width and every family
// with every width meets some variant.
for (const [i, variant] of variants.entries()) testVariant(widths[i % widths.length]!, variant)
for (const [i, family] of encoderFamilies.entries()) {
  for (const [j, width] of widths.entries()) {
    testVariant({ family, ...width }, variants[(i * widths.length + j) % variants.length]!)
  }
}

testStudent('an oblong image', seed =>
  unetStudent({
    inputSize: { height: 32, width: 64 },
    encoder: mobilenetEncoder({ width: 0.1, depth: 0.1 }),
    seed,
  }),
)

const odd: [NonNullable<UnetStudentOptions['inputSize']>, MobilenetEncoderOptions, Variant][] = [
  [{ height: 33, width: 47 }, widths[0]!, { parameters: { strength } }],
  [{ height: 50, width: 70 }, widths[1]!, { head: 'residual', decoder: { skip: 'add', upsampling: 'nearest' } }],
  [{ height: 47, width: 33 }, { family: 'v4-conv-small', width: 0.1 }, { decoder: { resolution: 'half' } }],
  [
    17,
    { family: 'v3-small', width: 0.1 },
    { head: 'direct', headActivation: 'hardSigmoid', decoder: { resolution: 'half' } },
  ],
]
for (const [inputSize, encoder, variant] of odd) {
  testStudent(`${JSON.stringify(inputSize)} ${JSON.stringify(encoder)} ${JSON.stringify(variant)}`, seed =>
    unetStudent({ inputSize, encoder: mobilenetEncoder(encoder), ...variant, seed }),
  )
}
