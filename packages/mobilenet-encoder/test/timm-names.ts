import type { EncoderFamily } from '@fx/mobilenet-encoder'

/** Blocks of timm's stages, but for V4, whose layers have timm's names. */
const repeats: Partial<Record<EncoderFamily, number[]>> = {
  v1: [1, 2, 2, 6, 2],
  v2: [1, 2, 3, 4, 3, 3, 1],
  'v3-small': [1, 2, 3, 2, 3],
  'v3-large': [1, 2, 3, 4, 2, 3],
}

const stems: Partial<Record<EncoderFamily, [string, string]>> = {
  v1: ['conv1', 'conv1_bn'],
  v2: ['Conv1', 'bn_Conv1'],
  'v3-small': ['conv', 'conv_bn'],
  'v3-large': ['conv', 'conv_bn'],
}

const separable = { depthwise: 'conv_dw', 'depthwise^': 'bn1', project: 'conv_pw', 'project^': 'bn2' }
const inverted = {
  expand: 'conv_pw',
  'expand^': 'bn1',
  depthwise: 'conv_dw',
  'depthwise^': 'bn2',
  project: 'conv_pwl',
  'project^': 'bn3',
}
const excite = { squeeze_excite_conv: 'se.conv_reduce', squeeze_excite_conv_1: 'se.conv_expand' }

/** From the name of a layer with weights to that of timm's module (`blocks.1.0.conv_dw`). */
export const timmModule = (family: EncoderFamily): ((layer: string) => string) => {
  const modules = new Map<string, string>()
  stems[family]?.forEach((layer, i) => void modules.set(layer, ['conv_stem', 'bn1'][i]!))
  let index = 0
  repeats[family]?.forEach((count, stage) => {
    for (let i = 0; i < count; i++, index++) {
      const module = `blocks.${stage}.${i}`
      if (family === 'v1') {
        for (const [short, norm] of [
          ['dw', 'bn1'],
          ['pw', 'bn2'],
        ]) {
          modules.set(`conv_${short}_${index + 1}`, `${module}.conv_${short}`)
          modules.set(`conv_${short}_${index + 1}_bn`, `${module}.${norm}`)
        }
        continue
      }
      const first = index === 0
      const prefix = `${family === 'v2' && !first ? 'block' : 'expanded_conv'}${first ? '' : `_${index}`}`
      for (const [part, to] of Object.entries({ ...(first ? separable : inverted), ...excite })) {
        modules.set(`${prefix}_${part.replace('^', family === 'v2' ? '_BN' : '_bn')}`, `${module}.${to}`)
      }
    }
  })
  const last = `blocks.${repeats[family]?.length}.0`
  modules.set('conv_1', `${last}.conv`).set('conv_1_bn', `${last}.bn1`)
  return layer => modules.get(layer) ?? layer
}
