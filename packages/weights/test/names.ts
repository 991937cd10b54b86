// How the same StyleGAN2 is named and laid out by its three authors, reduced to the names of StyleGAN2-ADA.
import { type Checkpoint, loadFloat32, type WeightTensor } from '../src/index.js'

const pick = async (
  checkpoint: Checkpoint,
  convert: (name: string, tensor: WeightTensor) => Promise<readonly [string, Float32Array]> | undefined,
): Promise<Map<string, Float32Array>> => {
  const found = new Map<string, Float32Array>()
  for (const [name, tensor] of checkpoint.tensors) {
    const converted = await convert(name, tensor)
    if (converted) found.set(...converted)
  }
  return found
}

/** ADA's and safetensors' own. */
export const fromAda = (checkpoint: Checkpoint, prefixes: RegExp): Promise<Map<string, Float32Array>> =>
  pick(checkpoint, (name, tensor) => (prefixes.test(name) ? loadFloat32(tensor).then(data => [name, data]) : undefined))

const layerName = (rest: string): string | undefined =>
  ({
    'conv.weight': 'weight',
    'conv.modulation.weight': 'affine.weight',
    'conv.modulation.bias': 'affine.bias',
    'noise.weight': 'noise_strength',
    'activate.bias': 'bias',
    bias: 'bias',
  })[rest]

/** The place of the k-th layer with noise: b4.conv1, b8.conv0, b8.conv1, b16.conv0, ... */
const noiseLayer = (k: number): string => `b${4 << Math.ceil(k / 2)}.conv${k % 2 === 0 ? 1 : 0}`

const rosinalityName = (name: string, resolution: number): string | undefined => {
  const [, net, rest] = /^(g_ema|d)\.(.*)$/.exec(name) ?? []
  if (name === 'latent_avg') return 'G_ema.mapping.w_avg'
  if (net === 'd') {
    const part = rest!
      .replace(/^convs\.0\.0\./, `b${resolution}.fromrgb.`)
      .replace(/^convs\.0\.1\./, `b${resolution}.fromrgb.`)
      .replace(/^convs\.(\d+)\.conv1\.[01]\./, (_, j) => `b${resolution >> (Number(j) - 1)}.conv0.`)
      .replace(/^convs\.(\d+)\.conv2\.[12]\./, (_, j) => `b${resolution >> (Number(j) - 1)}.conv1.`)
      .replace(/^convs\.(\d+)\.skip\.1\./, (_, j) => `b${resolution >> (Number(j) - 1)}.skip.`)
      .replace(/^final_conv\.[01]\./, 'b4.conv.')
      .replace(/^final_linear\.0\./, 'b4.fc.')
      .replace(/^final_linear\.1\./, 'b4.out.')
    return part.startsWith('b') ? `D.${part}` : undefined
  }
  if (net !== 'g_ema') return undefined
  if (rest === 'input.input') return 'G_ema.synthesis.b4.const'
  const style = /^style\.(\d+)\.(\w+)$/.exec(rest!)
  if (style) return `G_ema.mapping.fc${Number(style[1]) - 1}.${style[2]}`
  const noise = /^noises\.noise_(\d+)$/.exec(rest!)
  if (noise) return `G_ema.synthesis.${noiseLayer(Number(noise[1]))}.noise_const`
  const [, kind, index, leaf] = /^(conv1|to_rgb1|convs|to_rgbs)\.(?:(\d+)\.)?(.*)$/.exec(rest!) ?? []
  const last = layerName(leaf ?? '')
  if (!last) return undefined
  const at = Number(index)
  const layer = {
    conv1: 'b4.conv1',
    to_rgb1: 'b4.torgb',
    convs: `b${8 << (at >> 1)}.conv${at % 2}`,
    to_rgbs: `b${8 << at}.torgb`,
  }[kind!]!
  return `G_ema.synthesis.${layer}.${last}`
}

/** rosinality's: other names, and axes of one element that do not change the order of the elements. */
export const fromRosinality = (checkpoint: Checkpoint, resolution: number): Promise<Map<string, Float32Array>> =>
  pick(checkpoint, (name, tensor) => {
    const ada = rosinalityName(name, resolution)
    return ada === undefined ? undefined : loadFloat32(tensor).then(data => [ada, data])
  })

/** HWIO (turned by 180 degrees when `flip`) to OIHW, and matrices transposed. */
const transposed = (data: Float32Array, shape: readonly number[], flip: boolean): Float32Array => {
  const [rows, columns, inputs, outputs] = shape.length === 4 ? shape : [1, 1, ...shape]
  const result = new Float32Array(data.length)
  let at = 0
  for (let o = 0; o < outputs!; o++)
    for (let i = 0; i < inputs!; i++)
      for (let y = 0; y < rows!; y++)
        for (let x = 0; x < columns!; x++) {
          const [fromY, fromX] = flip ? [rows! - 1 - y, columns! - 1 - x] : [y, x]
          result[at++] = data[((fromY * columns! + fromX) * inputs! + i) * outputs! + o]!
        }
  return result
}

const tensorflowName = (name: string): string | undefined => {
  const [, net, rest] = /^(Gs|D)\/(.*)$/.exec(name) ?? []
  if (net === undefined) return undefined
  if (rest === 'dlatent_avg') return 'G_ema.mapping.w_avg'
  const dense = /^mapping\/Dense(\d+)\/(\w+)$/.exec(rest!)
  if (dense) return `G_ema.mapping.fc${dense[1]}.${dense[2]}`
  const noise = /^synthesis\/noise(\d+)$/.exec(rest!)
  if (noise) return `G_ema.synthesis.${noiseLayer(Number(noise[1]))}.noise_const`
  const output = /^Output\/(\w+)$/.exec(rest!)
  if (output) return `D.b4.out.${output[1]}`
  const [, size, layer, leaf] = /^(?:synthesis\/)?(\d+)x\d+\/(\w+)\/(\w+)$/.exec(rest!) ?? []
  if (size === undefined) return undefined
  const layers: Record<string, string> =
    net === 'Gs'
      ? { Const: '', Conv: 'conv1.', Conv0_up: 'conv0.', Conv1: 'conv1.', ToRGB: 'torgb.' }
      : { FromRGB: 'fromrgb.', Conv0: 'conv0.', Conv1_down: 'conv1.', Skip: 'skip.', Conv: 'conv.', Dense0: 'fc.' }
  const last = leaf!.replace('mod_', 'affine.')
  return `${net === 'Gs' ? 'G_ema.synthesis' : 'D'}.b${size}.${layers[layer!]}${last}`
}

/** The TensorFlow StyleGANs': matrices transposed, kernels HWIO and turned where they scale up, style biases less 1. */
export const fromTensorflow = (checkpoint: Checkpoint): Promise<Map<string, Float32Array>> =>
  pick(checkpoint, (name, tensor) => {
    const ada = tensorflowName(name)
    if (ada === undefined) return undefined
    return loadFloat32(tensor).then(data => {
      if (name.endsWith('mod_bias')) return [ada, data.map(value => value + 1)]
      if (name.endsWith('weight')) return [ada, transposed(data, tensor.shape, name.includes('Conv0_up'))]
      return [ada, data]
    })
  })
