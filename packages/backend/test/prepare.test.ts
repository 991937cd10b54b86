import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { prepareBackend } from '../src/index.js'

const here = fileURLToPath(new URL('..', import.meta.url))

/** Runs a program in a Node of its own, from TypeScript source, and returns what it prints. It must end by itself. */
const inNode = async (program: string, environment: Record<string, string> = {}): Promise<string> => {
  const args = ['--conditions=@fx/source', '--import', 'tsx', '--input-type=module', '-e', program]
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: here,
    timeout: 90_000,
    env: { ...process.env, FX_BACKEND: '', ...environment },
  })
  return stdout.trim()
}

const program = (body: string) => `
import { prepareBackend } from '@fx/backend'
import * as tf from '@tensorflow/tfjs-core'
${body}
`

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('in a process of its own', () => {
  test('two threads start, compute, and let the process end', async () => {
    const output = await inNode(
      program(`
        const worker = globalThis.Worker
        const listeners = process.listenerCount('uncaughtException')
        const prepared = await prepareBackend({ backend: 'wasm', threads: 2 })
        const again = await prepareBackend({ backend: 'wasm' })
        const product = tf.matMul(tf.ones([64, 64]), tf.ones([64, 64])).dataSync()
        console.log(JSON.stringify({
          prepared, again,
          correct: product.every(value => value === 64),
          untouched: globalThis.Worker === worker && process.listenerCount('uncaughtException') === listeners,
        }))`),
    )
    expect(JSON.parse(output)).toMatchObject({
      prepared: { name: 'wasm', threads: 2, simd: true, candidates: [{ name: 'wasm', usable: true }] },
      again: { name: 'wasm', threads: 2 },
      correct: true,
      untouched: true,
    })
  })

  test('threads that do not start are done without, and the report says so', async () => {
    const output = await inNode(
      program(`
        import module from 'node:module'
        import threads from 'node:worker_threads'
        threads.Worker = class { constructor() { throw new Error('no workers today') } }
        module.syncBuiltinESMExports()
        const prepared = await prepareBackend({ backend: 'wasm', threads: 2 })
        console.log(JSON.stringify({ prepared, sum: tf.sum(tf.ones([5])).dataSync()[0] }))`),
    )
    const { prepared, sum } = JSON.parse(output)
    expect(prepared).toMatchObject({ name: 'wasm', threads: 1, simd: true })
    expect(prepared.reason).toContain('no workers today')
    expect(sum).toBe(5)
  })

  test('FX_BACKEND takes the place of auto, not of a name', async () => {
    const body = `
      const auto = await prepareBackend()
      const named = await prepareBackend({ backend: 'wasm', threads: 1 })
      console.log(JSON.stringify({ auto: auto.name, named: named.name }))`
    expect(JSON.parse(await inNode(program(body), { FX_BACKEND: 'cpu' }))).toEqual({ auto: 'cpu', named: 'wasm' })
  })
})

test('auto tries in the order it is given', async () => {
  vi.stubEnv('FX_BACKEND', '')
  const { name, candidates } = await prepareBackend({ order: ['cpu', 'wasm'] })
  expect(name).toBe('cpu')
  expect(candidates).toHaveLength(1)
  for (const order of [['opengl' as 'cpu'], []]) {
    await expect(prepareBackend({ order })).rejects.toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  }
})

test('auto reports every backend it passed over, with a reason', async () => {
  vi.stubEnv('FX_BACKEND', '')
  const { name, reason, candidates } = await prepareBackend({ threads: 1 })
  expect(candidates.at(-1)).toMatchObject({ name, usable: true })
  for (const candidate of candidates) expect(candidate.reason).toMatch(/\S/)
  expect(candidates.map(candidate => candidate.name)).toEqual(
    ['tfjs-node', 'webgpu', 'wasm', 'cpu'].slice(0, candidates.length),
  )
  expect(reason).toMatch(new RegExp(`^Using ${name} .*\\.$`))
})

test('bad input is named', async () => {
  const invalid = (message: RegExp) =>
    expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) })
  await expect(prepareBackend({ backend: 'opengl' as 'cpu' })).rejects.toThrow(invalid(/'opengl'.*'auto', 'tfjs-node'/))
  await expect(prepareBackend({ threads: 0 })).rejects.toThrow(invalid(/threads .* got 0/))
  vi.stubEnv('FX_BACKEND', 'gpu')
  await expect(prepareBackend()).rejects.toThrow(invalid(/FX_BACKEND 'gpu'/))
})
