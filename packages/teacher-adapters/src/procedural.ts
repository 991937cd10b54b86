import { type EffectSpec, FxError } from '@fx/core'
import { breather } from './breather.js'
import { validatePairRequest } from './contract/request.js'
import type { PairRequest, TeacherAdapter, TeacherPair } from './contract/types.js'
import {
  anisotropicKuwahara,
  checkKuwaharaOptions,
  type FloatImage,
  KUWAHARA_REVISION,
  type KuwaharaOptions,
} from './procedural/kuwahara.js'
import { NATURAL_REVISION, type NaturalImageOptions, naturalImages } from './procedural/natural-images.js'

export type { FloatImage, KuwaharaOptions, NaturalImageOptions }
export { anisotropicKuwahara, naturalImages }

/** A painting of the whole frame, ready to be asked for. */
export const painterly: EffectSpec = {
  id: 'painterly',
  prompt: 'an oil painting with visible brush strokes',
  parameters: { strength: { min: 0, max: 1, default: 1 } },
}

/**
 * A teacher that computes: procedural pictures with the statistics of photographs, and what the anisotropic Kuwahara filter
 * paints of them. The effect is `painterly`; its `strength`, from 0 to 1, mixes the painting with the picture. Unlimited,
 * deterministic, no network, no weights, nobody's photographs. The brush has its radius in pixels, whatever the size: pairs
 * of 128 pixels teach what a frame of 256 needs.
 *
 * @param painter the filter's options.
 * @throws FxError `invalid-argument` for an option out of its range; from `pairs`: `unknown-effect`, `invalid-argument`,
 *   `aborted`.
 */
export const proceduralTeacher = (painter: Omit<KuwaharaOptions, 'strength'> = {}): TeacherAdapter => {
  const { strength: _, ...resolved } = checkKuwaharaOptions(painter)
  const adapter: TeacherAdapter = {
    specificationVersion: 'v1',
    id: 'procedural',
    version: [NATURAL_REVISION, KUWAHARA_REVISION, ...Object.values(resolved)].join('-'),
    capabilities: {
      deterministic: true,
      pairCount: Number.POSITIVE_INFINITY,
      size: { min: 16, max: 512 },
      effects: [painterly.id],
      parameters: ['strength'],
    },
    async *pairs(request: PairRequest) {
      const { effect, size, seeds, parametersFor, throwIfAborted } = validatePairRequest(adapter, request)
      checkStrength(effect)
      const breathe = breather()
      for (const seed of seeds) {
        await breathe()
        throwIfAborted()
        const parameters = parametersFor(seed)
        const input = naturalImages({ seed, size })
        const pair: TeacherPair = {
          id: `${effect.id}-${String(seed).padStart(6, '0')}`,
          input,
          target: anisotropicKuwahara(input, { ...resolved, strength: parameters.strength ?? 1 }),
          parameters,
          provenance: {
            teacher: { id: adapter.id, version: adapter.version },
            seed,
            licence: { id: 'CC0-1.0', url: 'https://creativecommons.org/publicdomain/zero/1.0/' },
            extra: resolved,
          },
        }
        yield pair
      }
    },
  }
  return adapter
}

/** A painting can be mixed with the picture, but nothing lies beyond it. */
const checkStrength = ({ id, parameters: { strength } }: EffectSpec): void => {
  if (!strength || (strength.min >= 0 && strength.max <= 1)) return
  throw new FxError(
    'invalid-argument',
    `The strength of '${id}' ranges from ${strength.min} to ${strength.max}; this painter knows strengths from 0 to 1`,
  )
}
