import { prepareBackend } from '@fx/backend'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { readArrays, readJson } from '../../../test/imagen.js'
import { t5Suite } from '../../../test/suites/t5.js'
import { encodeT5Config, parseT5Config, randomT5Weights, t5Encoder } from '../../imagen.js'
import { relativePositionBucket } from './t5.js'

describe.each(['cpu', 'wasm'] as const)('the reference T5 on %s', t5Suite)

const config = { vocabSize: 20, dModel: 8, numLayers: 2, numHeads: 2, dFf: 12 }
const isFxError = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

test('relative positions fall into the reference buckets', async () => {
  const { data } = (await readArrays('t5.expected')).get('relative_bucket')!
  const parsed = parseT5Config(readJson('t5_config'))
  expect([...data].map((_, i) => relativePositionBucket(i - 160, parsed))).toEqual([...data])
})

test('a config is read as it was written', () => {
  const parsed = parseT5Config(readJson('t5_config'))
  expect(parsed).toMatchObject({ vocabSize: 120, dModel: 24, dKv: 6, numHeads: 3, dFf: 40, numLayers: 2 })
  expect(parseT5Config(encodeT5Config(parsed))).toEqual(parsed)
})

describe('what does not fit is refused, by name', () => {
  beforeAll(async () => {
    await prepareBackend({ backend: 'cpu' })
  })

  test('configs', () => {
    const json = readJson('t5_config') as object
    expect(() => parseT5Config({ ...json, feed_forward_proj: 'relu' })).toThrow(
      isFxError('unsupported', /feed_forward_proj/),
    )
    const make = (change: object) => () => t5Encoder({ config: { ...config, ...change }, weights: new Map() })
    expect(make({ numHeads: 3 })).toThrow(isFxError('invalid-argument', /dKv.*2\.66/))
    expect(make({ relativeAttentionNumBuckets: 30 })).toThrow(isFxError('invalid-argument', /multiple of 4.*30/))
    expect(make({ relativeAttentionMaxDistance: 8 })).toThrow(isFxError('invalid-argument', /and 8$/))
    expect(make({ layerNormEpsilon: 0 })).toThrow(isFxError('invalid-argument', /layerNormEpsilon/))
    expect(make({ padTokenId: 20 })).toThrow(isFxError('invalid-argument', /padTokenId.*20/))
  })

  test('weights and tokens', async () => {
    const tensors = tf.memory().numTensors
    const weights = randomT5Weights(config, 1)
    expect(() => t5Encoder({ config, weights: new Map([...weights].slice(1)) })).toThrow(
      isFxError('not-found', /shared\.weight/),
    )
    const t5 = t5Encoder({ config, weights })
    expect(await t5.weights()).toEqual(weights)
    const held = tf.memory().numTensors
    expect(() => t5.encode([[1, 20]])).toThrow(isFxError('invalid-argument', /no token 20; its ids are 0 to 19/))
    expect(() => t5.encode([[1.5]])).toThrow(isFxError('invalid-argument', /1\.5/))
    expect(() => t5.encode([])).toThrow(isFxError('shape-mismatch', /none/))
    expect(() => t5.encode([[1, 2], [1]])).toThrow(isFxError('shape-mismatch', /rows of 2 and of 1/))
    expect(() => t5.encode([[1, 2]], [[1]])).toThrow(isFxError('shape-mismatch', /mask/))
    expect(() => t5.encode([[1]], [[1], [1]])).toThrow(isFxError('shape-mismatch', /2 rows of mask for 1/))
    expect(() => t5.encode([[1]], [[2]])).toThrow(isFxError('invalid-argument', /got 2/))
    expect(tf.memory().numTensors).toBe(held)
    t5.dispose()
    expect(tf.memory().numTensors).toBe(tensors)
  })
})
