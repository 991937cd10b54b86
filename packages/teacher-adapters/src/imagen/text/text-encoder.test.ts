import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { prepareBackend } from '@fx/backend'
import { encodeSafetensors, openCheckpoint } from '@fx/weights'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import unigram from '../../../fixtures/text/unigram.json' with { type: 'json' }
import { encodeT5, encodeT5Config, openTextEncoder, openTokenizer, randomT5Weights, t5Encoder } from '../../imagen.js'

const config = { vocabSize: 120, dModel: 8, numLayers: 2, numHeads: 2, dFf: 12 }
const weights = randomT5Weights(config, 'text encoder')
const { tokenizer } = unigram
const checkpoint = encodeT5({ config, weights, length: 24 })
const isFxError = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

let folder: string
let tensors: number
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fx-text-'))
  await prepareBackend({ backend: 'wasm', threads: 1 })
})
afterAll(() => rm(folder, { recursive: true }))
beforeEach(() => {
  tensors = tf.memory().numTensors
})
afterEach(() => {
  expect(tf.memory().numTensors).toBe(tensors)
})

const valuesOf = async (encoder: Awaited<ReturnType<typeof openTextEncoder>>, ...prompts: string[]) => {
  const embedded = await encoder.encode(prompts)
  const [values, { shape }] = [await embedded.data(), embedded]
  embedded.dispose()
  return { shape, values: [...values] }
}

describe('a text encoder', () => {
  test('gives the hidden states of its T5, padding hidden from the tokens', async () => {
    const encoder = await openTextEncoder({ checkpoint, tokenizer })
    const { shape, values } = await valuesOf(encoder, 'pink hair')
    expect(shape).toEqual([1, 24, 8])
    const t5 = t5Encoder({ config, weights })
    const ids = (await openTokenizer(tokenizer)).encode('pink hair')
    const alone = t5.encode([ids])
    expect(ids.at(-1)).toBe(1)
    alone.dataSync().forEach((value, i) => void expect(value).toBeCloseTo(values[i]!, 4))
    alone.dispose()
    t5.dispose()
    encoder.dispose()
  })

  test('a prompt does not depend on the others, of which there may be many', async () => {
    const encoder = await openTextEncoder({ checkpoint, tokenizer })
    const prompts = Array.from({ length: 40 }, (_, i) => `a person with ${i} glasses`)
    const { shape, values } = await valuesOf(encoder, ...prompts)
    expect(shape).toEqual([40, 24, 8])
    const last = await valuesOf(encoder, prompts[39]!)
    values.slice(-24 * 8).forEach((value, i) => void expect(value).toBeCloseTo(last.values[i]!, 4))
    encoder.dispose()
  })

  test('a text that is too long is cut, and ends like others', async () => {
    const encoder = await openTextEncoder({ checkpoint, tokenizer, length: 4 })
    const long = await valuesOf(encoder, 'a portrait of a person with vivid pink hair')
    const t5 = t5Encoder({ config, weights })
    const ids = (await openTokenizer(tokenizer)).encode('a portrait of a person with vivid pink hair')
    const cut = t5.encode([[...ids.slice(0, 3), 1]])
    cut.dataSync().forEach((value, i) => void expect(value).toBeCloseTo(long.values[i]!, 4))
    cut.dispose()
    t5.dispose()
    encoder.dispose()
  })

  test('its id tells weights, tokenizer and length apart', async () => {
    const idOf = async (options: Parameters<typeof openTextEncoder>[0]) => {
      const encoder = await openTextEncoder(options)
      encoder.dispose()
      return encoder.id
    }
    const id = await idOf({ checkpoint, tokenizer })
    const half = encodeT5({ config, weights, length: 24 }, { dtype: 'float16' })
    const ids = [
      id,
      await idOf({ checkpoint: half, tokenizer }),
      await idOf({ checkpoint, tokenizer, length: 25 }),
      await idOf({ checkpoint, tokenizer: { ...tokenizer, post_processor: null } }),
    ]
    expect(new Set(ids).size).toBe(4)
    expect(await idOf({ checkpoint, tokenizer: structuredClone(tokenizer), length: 24 })).toBe(id)
  })
})

describe('checkpoints', () => {
  test("transformers' folder: the config beside the weights, tied embeddings, a decoder", async () => {
    const [model, json] = [join(folder, 'model.safetensors'), join(folder, 'tokenizer.json')]
    const arrays = [...weights].map(
      ([name, weight]) => [name.replace('shared', 'encoder.embed_tokens'), weight] as const,
    )
    const decoder = [
      'decoder.block.0.layer.0.SelfAttention.q.weight',
      { shape: [1], data: Float32Array.of(1) },
    ] as const
    await writeFile(model, encodeSafetensors([...arrays, decoder]))
    await writeFile(join(folder, 'config.json'), JSON.stringify(encodeT5Config(config)))
    await writeFile(json, JSON.stringify(tokenizer))
    const own = await openTextEncoder({ checkpoint, tokenizer, length: 77 })
    const expected = await valuesOf(own, 'pink')
    own.dispose()
    for (const [at, of] of [
      [model, json],
      [pathToFileURL(model), pathToFileURL(json).href],
    ] as const) {
      const encoder = await openTextEncoder({ checkpoint: at, tokenizer: of })
      expect(await valuesOf(encoder, 'pink')).toEqual(expected)
      expect(encoder.id).toBe(own.id)
      encoder.dispose()
    }
  })

  test('an open one stays open', async () => {
    const opened = await openCheckpoint(checkpoint)
    const encoder = await openTextEncoder({ checkpoint: opened, tokenizer })
    expect(await opened.tensors.get('shared.weight')!.load()).toHaveLength(960)
    encoder.dispose()
  })

  test.each([
    ['no config', encodeSafetensors(weights), 'not-found', /no config.*give config/],
    ['a broken config', encodeSafetensors(weights, { 'imagen.t5': '{' }), 'corrupt-file', /imagen\.t5/],
    ['another network', encodeSafetensors(weights, { 'imagen.t5': '{}' }), 'unsupported', /vocab_size/],
    [
      'a length that is none',
      encodeSafetensors(weights, { 'imagen.t5': JSON.stringify(encodeT5Config(config)), 'imagen.textLength': 'x' }),
      'corrupt-file',
      /'x'/,
    ],
    [
      'missing arrays',
      encodeT5({ config, weights: new Map([...weights].slice(0, 5)) }),
      'not-found',
      /T5's weights lack/,
    ],
    ['a damaged file', checkpoint.subarray(0, 2000), 'corrupt-file', /truncated/],
  ] as const)('%s is refused', async (_, bytes, code, message) => {
    await expect(openTextEncoder({ checkpoint: bytes, tokenizer })).rejects.toEqual(isFxError(code, message))
  })

  test('missing files and lengths that are none are refused', async () => {
    const missing = join(folder, 'missing.json')
    await expect(openTextEncoder({ checkpoint, tokenizer: missing })).rejects.toEqual(isFxError('not-found', /missing/))
    await writeFile(join(folder, 'broken.json'), '{')
    const broken = join(folder, 'broken.json')
    await expect(openTextEncoder({ checkpoint, tokenizer: broken })).rejects.toEqual(isFxError('corrupt-file', /JSON/))
    await expect(openTextEncoder({ checkpoint, tokenizer, length: 1 })).rejects.toEqual(
      isFxError('invalid-argument', /got 1/),
    )
    expect(() => encodeT5({ config, weights }, { metadata: { 'imagen.t5': '' } })).toThrow(
      isFxError('invalid-argument', /taken/),
    )
  })

  test('prompts are needed, and an encoder that was not disposed of', async () => {
    const encoder = await openTextEncoder({ checkpoint, tokenizer })
    await expect(encoder.encode([])).rejects.toEqual(isFxError('invalid-argument', /no prompts/))
    encoder.dispose()
    encoder.dispose()
    await expect(encoder.encode(['pink'])).rejects.toEqual(isFxError('invalid-argument', /disposed/))
  })
})
