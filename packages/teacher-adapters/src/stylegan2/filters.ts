import { FxError } from '@fx/core'
import type { NamedWeight, NamedWeights } from '../network/weights.js'

/** Some files carry the filter with every layer; any other than StyleGAN2's would need another network. */
export const isFilter = (name: string): boolean => name === 'resample_filter' || name.endsWith('.resample_filter')

const checkFilter = (name: string, { data }: NamedWeight): void => {
  const taps = [1, 3, 3, 1]
  const expected = taps.flatMap(a => taps.map(b => (a * b) / 64))
  if (data.length !== 16 || expected.some((value, i) => Math.abs(value - data[i]!) > 1e-6)) {
    throw new FxError('unsupported', `stylegan2: ${name} is not the filter [1, 3, 3, 1], the only one known here`)
  }
}

/**
 * The weights without the constant resampling filters.
 *
 * @throws FxError `unsupported` for another filter.
 */
export const withoutFilters = (weights: NamedWeights): Map<string, NamedWeight> => {
  const kept = new Map<string, NamedWeight>()
  for (const [name, weight] of weights) {
    if (isFilter(name)) checkFilter(name, weight)
    else kept.set(name, weight)
  }
  return kept
}
