import { FxError, shown } from '@fx/core'
import type { ModuleInfo, PlainRecord, PlainValue } from '@fx/weights'

type Network = 'generator' | 'discriminator'

/** What neither names nor shapes tell. */
interface HiddenOptions {
  convClamp?: number | null
  mbstdGroupSize?: number
}

/** More than any batch: the reference's `None`, one group of all images. */
const WHOLE_BATCH = 65_536

const groupSize = (value: PlainValue): number => (value === null ? WHOLE_BATCH : Number(value))

const another = (layer: string, option: string, value: PlainValue | undefined, only: string): FxError =>
  new FxError('unsupported', `stylegan2: ${layer} has ${option} ${shown(value)}; only ${only} can be computed`, {
    details: { layer, option, value },
  })

const expectOption = (layer: string, attributes: PlainRecord, option: string, only: PlainValue): void => {
  const value = attributes[option]
  if (value !== undefined && JSON.stringify(value) !== JSON.stringify(only)) {
    throw another(layer, option, value, shown(only))
  }
}

/**
 * From the modules of a StyleGAN pickle. Each layer's attributes are read, not the arguments of the whole network: the
 * layers hold what their class made of the arguments, whose defaults differ between the repositories (StyleGAN3's
 * copy clamps at 256 where StyleGAN2-ADA does not clamp).
 */
const fromModules = (modules: ReadonlyMap<string, ModuleInfo>, prefix: string, network: Network): HiddenOptions => {
  const hidden: HiddenOptions = {}
  let clamped: string | undefined
  for (const [path, { attributes }] of modules) {
    if (!path.startsWith(prefix)) continue
    expectOption(path, attributes, 'architecture', network === 'generator' ? 'skip' : 'resnet')
    expectOption(path, attributes, 'use_noise', true)
    if (attributes.activation !== 'linear') expectOption(path, attributes, 'activation', 'lrelu')
    if (/mapping\.fc\d+$/.test(path)) {
      expectOption(path, attributes, 'activation', 'lrelu')
      expectOption(path, attributes, 'bias_gain', 0.01)
    }
    if (attributes.group_size !== undefined) hidden.mbstdGroupSize = groupSize(attributes.group_size)
    // The path past a residual block has no clamp of its own.
    const { conv_clamp: clamp } = attributes
    if (clamp === undefined || path.endsWith('.skip')) continue
    if (clamped !== undefined && clamp !== hidden.convClamp) {
      throw another(path, 'conv_clamp', clamp, `the ${shown(hidden.convClamp)} of ${clamped}`)
    }
    clamped = path
    hidden.convClamp = clamp === null ? null : Number(clamp)
  }
  return hidden
}

const tensorflowOptions: Record<string, PlainValue> = {
  nonlinearity: 'lrelu',
  use_noise: true,
  resample_kernel: [1, 3, 3, 1],
}

/** From the arguments of a TensorFlow network. */
const fromTensorflow = ({ kwargs }: ModuleInfo, name: string, network: Network): HiddenOptions => {
  for (const [option, only] of Object.entries(tensorflowOptions)) expectOption(name, kwargs, option, only)
  expectOption(name, kwargs, 'architecture', network === 'generator' ? 'skip' : 'resnet')
  if (network === 'generator') {
    expectOption(name, kwargs, 'mapping_nonlinearity', 'lrelu')
    expectOption(name, kwargs, 'mapping_lrmul', 0.01)
  }
  const { conv_clamp: clamp, mbstd_group_size: group } = kwargs
  return {
    ...(typeof clamp === 'number' ? { convClamp: clamp } : {}),
    ...(group === undefined || network === 'generator' ? {} : { mbstdGroupSize: groupSize(group) }),
  }
}

/**
 * What a pickle says of a network beside its arrays: nothing, in files that hold arrays only.
 *
 * @throws FxError `unsupported` for another activation, filter, clamp or learning rate than StyleGAN2's.
 */
export const hiddenOptions = (
  modules: ReadonlyMap<string, ModuleInfo>,
  name: string,
  author: string,
  network: Network,
): HiddenOptions => {
  if (author !== 'TensorFlow') return fromModules(modules, name === '' ? '' : `${name}.`, network)
  const info = modules.get(name)
  return info ? fromTensorflow(info, name, network) : {}
}
