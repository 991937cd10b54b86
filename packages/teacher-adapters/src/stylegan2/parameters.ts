import { type ParameterSpec, parameter as spec } from '../network/parameter.js'
import { blockResolutions, channelsAt, type DiscriminatorConfig, type GeneratorConfig, styleLayers } from './config.js'

/** Stored values are 1 / lr times as large as their effect, so that a mapping layer with lr 0.01 learns slowly. */
const dense = (name: string, inputs: number, outputs: number, lr = 1, bias = 0): ParameterSpec[] => [
  spec(`${name}.weight`, [outputs, inputs], { std: 1 / lr }, undefined, [1, 0]),
  spec(`${name}.bias`, [outputs], { constant: bias }),
]

const HWIO = [2, 3, 1, 0]
const HWOI = [2, 3, 0, 1]

const conv = (name: string, size: number, inputs: number, outputs: number, order = HWIO): ParameterSpec =>
  spec(`${name}.weight`, [outputs, inputs, size, size], { std: 1 }, undefined, order)

const bias = (name: string, channels: number): ParameterSpec => spec(`${name}.bias`, [channels], {})

const mapping = (prefix: string, z: number, c: number, w: number, layers: number): ParameterSpec[] => [
  ...(c > 0 ? dense(`${prefix}.embed`, c, w) : []),
  ...Array.from({ length: layers }, (_, i) =>
    dense(`${prefix}.fc${i}`, i > 0 ? w : z + (c > 0 ? w : 0), w, MAPPING_LR),
  ).flat(),
]

/** The mapping network learns at a hundredth of the rate (StyleGAN, section C). */
export const MAPPING_LR = 0.01

/** Every array of a generator, under its ADA state-dict name. */
export const generatorParameters = (config: Required<GeneratorConfig>): ParameterSpec[] => [
  ...mapping('mapping', config.zDim, config.cDim, config.wDim, config.mappingLayers),
  spec('mapping.w_avg', [config.wDim], { buffer: true }),
  spec('synthesis.b4.const', [channelsAt(config, 4), 4, 4], { std: 1 }, undefined, [1, 2, 0]),
  ...styleLayers(config).flatMap(({ name, kind, resolution, inChannels, outChannels }) => {
    const full = `synthesis.${name}`
    return [
      ...dense(`${full}.affine`, config.wDim, inChannels, 1, 1),
      conv(full, kind === 'rgb' ? 1 : 3, inChannels, outChannels, kind === 'up' ? HWOI : HWIO),
      bias(full, outChannels),
      ...(kind === 'rgb'
        ? []
        : [
            spec(`${full}.noise_strength`, [], {}),
            spec(`${full}.noise_const`, [resolution, resolution], { buffer: true, std: 1 }),
          ]),
    ]
  }),
]

/** Every array of a discriminator, under its ADA state-dict name. */
export const discriminatorParameters = (config: Required<DiscriminatorConfig>): ParameterSpec[] => {
  const last = channelsAt(config, 4)
  const blocks = blockResolutions(config.resolution).slice(1).reverse()
  const head = `b${config.resolution}.fromrgb`
  return [
    conv(head, 1, config.imageChannels, channelsAt(config, config.resolution)),
    bias(head, channelsAt(config, config.resolution)),
    ...blocks.flatMap(resolution => {
      const here = channelsAt(config, resolution)
      const next = channelsAt(config, resolution / 2)
      return [
        conv(`b${resolution}.conv0`, 3, here, here),
        bias(`b${resolution}.conv0`, here),
        conv(`b${resolution}.conv1`, 3, here, next),
        bias(`b${resolution}.conv1`, next),
        conv(`b${resolution}.skip`, 1, here, next),
      ]
    }),
    ...(config.cDim > 0 ? mapping('mapping', 0, config.cDim, last, config.mappingLayers) : []),
    conv('b4.conv', 3, last + config.mbstdChannels, last),
    bias('b4.conv', last),
    // PyTorch flattens [C, 4, 4], tfjs [4, 4, C].
    spec('b4.fc.weight', [last, 16 * last], { std: 1 }, [last, last, 4, 4], [2, 3, 1, 0]),
    bias('b4.fc', last),
    ...dense('b4.out', last, config.cDim > 0 ? last : 1),
  ]
}
