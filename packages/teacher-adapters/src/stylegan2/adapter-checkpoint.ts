import { hashJson, sha256Hex } from '@fx/core'
import type { GeneratorConfig } from './config.js'
import type { NamedWeights } from './weights.js'

/** A generator in memory, as `readStylegan2` gives it. */
export interface GeneratorSource {
  config: GeneratorConfig
  weights: NamedWeights
}

/** SHA-256 over the names, shapes and values of all arrays, whatever file they came from and in whatever order. */
export const hashWeights = (weights: NamedWeights): string =>
  hashJson(
    [...weights]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { shape, data }]) => [
        name,
        shape,
        sha256Hex(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
      ]),
  )
