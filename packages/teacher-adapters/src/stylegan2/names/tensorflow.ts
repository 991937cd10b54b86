import { noiseLayer, type StoredArray, type StoredArrays, unknownName } from './arrays.js'

/** HWIO kernels to OIHW, turned by 180 degrees when `turned`; matrices [in, out] to [out, in]. */
const transposed = ({ shape, load }: StoredArray, turned: boolean): StoredArray => {
  const [height, width, inputs, outputs] = (shape.length === 4 ? shape : [1, 1, ...shape]) as [
    number,
    number,
    number,
    number,
  ]
  return {
    shape: shape.length === 4 ? [outputs, inputs, height, width] : [outputs, inputs],
    async load() {
      const data = await load()
      const result = new Float32Array(data.length)
      let at = 0
      for (let o = 0; o < outputs; o++)
        for (let i = 0; i < inputs; i++)
          for (let y = 0; y < height; y++)
            for (let x = 0; x < width; x++) {
              const place = turned ? (height - 1 - y) * width + (width - 1 - x) : y * width + x
              result[at++] = data[(place * inputs + i) * outputs + o]!
            }
      return result
    },
  }
}

/** One array under its new name: kernels and matrices transposed, style biases plus the 1 that TensorFlow adds later. */
const converted = (name: string, array: StoredArray): StoredArray => {
  const { shape } = array
  const load = () => array.load()
  if (name.endsWith('weight')) return transposed({ shape, load }, name.includes('/Conv0_up/'))
  if (name.endsWith('/mod_bias')) return { shape, load: async () => (await load()).map(value => value + 1) }
  if (/synthesis\/noise\d+$/.test(name)) return { shape: shape.slice(-2), load }
  if (name.endsWith('/const')) return { shape: shape.slice(1), load }
  return { shape, load }
}

const convertAll = (arrays: StoredArrays, rename: (name: string) => string | undefined): Map<string, StoredArray> => {
  const result = new Map<string, StoredArray>()
  for (const [name, array] of arrays) {
    // How far a progressively grown network had come: the StyleGAN2s are whole.
    if (/(^|\/)lod$/.test(name)) continue
    const ada = rename(name)
    if (ada === undefined) throw unknownName('TensorFlow', name)
    result.set(ada, converted(name, array))
  }
  return result
}

const generatorLayers = new Map([
  ['Conv', 'conv1'],
  ['Conv0_up', 'conv0'],
  ['Conv1', 'conv1'],
  ['ToRGB', 'torgb'],
])

const generatorName = (name: string): string | undefined => {
  if (name === 'dlatent_avg') return 'mapping.w_avg'
  if (name === 'synthesis/4x4/Const/const') return 'synthesis.b4.const'
  const dense = /^mapping\/Dense(\d+)\/(weight|bias)$/.exec(name)
  if (dense) return `mapping.fc${dense[1]}.${dense[2]}`
  const noise = /^synthesis\/noise(\d+)$/.exec(name)
  if (noise) return `synthesis.${noiseLayer(Number(noise[1]))}.noise_const`
  const [, size, block, leaf] =
    /^synthesis\/(\d+)x\d+\/(\w+)\/(weight|bias|noise_strength|mod_weight|mod_bias)$/.exec(name) ?? []
  const layer = generatorLayers.get(block ?? '')
  return layer && `synthesis.b${size}.${layer}.${leaf!.replace('mod_', 'affine.')}`
}

/**
 * A generator of the TensorFlow StyleGAN2 (names below `Gs/`) under StyleGAN2-ADA's names and layout: kernels HWIO to
 * OIHW, those that scale up turned by 180 degrees, matrices transposed, style biases plus 1.
 *
 * @throws FxError `unsupported` for a name that the architecture does not have.
 */
export const generatorFromTensorflow = (arrays: StoredArrays): Map<string, StoredArray> =>
  convertAll(arrays, generatorName)

const discriminatorLayers = new Map([
  ['FromRGB', 'fromrgb'],
  ['Conv0', 'conv0'],
  ['Conv1_down', 'conv1'],
  ['Skip', 'skip'],
  ['Conv', 'conv'],
  ['Dense0', 'fc'],
])

const discriminatorName = (name: string): string | undefined => {
  const output = /^Output\/(weight|bias)$/.exec(name)
  if (output) return `b4.out.${output[1]}`
  const [, size, block, leaf] = /^(\d+)x\d+\/(\w+)\/(weight|bias)$/.exec(name) ?? []
  const layer = discriminatorLayers.get(block ?? '')
  return layer && `b${size}.${layer}.${leaf}`
}

/**
 * A discriminator of the TensorFlow StyleGAN2 (names below `D/`) under StyleGAN2-ADA's names and layout.
 *
 * @throws FxError `unsupported` for a name that the architecture does not have.
 */
export const discriminatorFromTensorflow = (arrays: StoredArrays): Map<string, StoredArray> =>
  convertAll(arrays, discriminatorName)
