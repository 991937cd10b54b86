import { type MobilenetEncoderOptions, mobilenetEncoder } from '@fx/mobilenet-encoder'
import { type Head, type UnetDecoderOptions, unetStudent } from '@fx/unet-student'
import { testStudent } from './model-tester.js'

/** Every value of every option, each at least once with each head. */
const zoo: [MobilenetEncoderOptions, UnetDecoderOptions, Head][] = [
  [{ width: 0.1 }, {}, 'direct'],
  [{ width: 0.1 }, {}, 'residual'],
  [{ width: 0.1 }, {}, 'alpha'],
  [{ width: 0.1, depth: 0.3, padding: 'symmetric' }, { skip: 'add', upsampling: 'nearest' }, 'direct'],
  [{ width: 0.1, depth: 0.3 }, { skip: 'add', blocks: 0 }, 'residual'],
  [{ width: 0.1, depth: 0.3 }, { upsampling: 'nearest', blocks: [0, 1, 0, 2, 1] }, 'alpha'],
  [{ width: 0.25, depth: 0.5 }, { channels: [12, 10, 8, 6, 5], expansion: 1.5 }, 'alpha'],
  [{ width: 0.25 }, { width: 0.1, skip: 'add' }, 'alpha'],
]

for (const [encoder, decoder, head] of zoo) {
  testStudent(`${JSON.stringify(encoder)} ${JSON.stringify(decoder)} ${head}`, seed =>
    unetStudent({ inputSize: 32, encoder: mobilenetEncoder(encoder), decoder, head, seed }),
  )
}

// Nearest, since the bilinear gradient of tfjs's cpu backend mixes up height and width.
testStudent('an oblong image', seed =>
  unetStudent({
    inputSize: { height: 32, width: 64 },
    encoder: mobilenetEncoder({ width: 0.1, depth: 0.1 }),
    decoder: { upsampling: 'nearest' },
    seed,
  }),
)
