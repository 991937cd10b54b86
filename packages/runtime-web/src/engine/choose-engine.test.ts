import { FxError } from '@fx/core'
import { beforeEach, expect, test, vi } from 'vitest'
import { testManifest } from '../../test/manifest.js'
import type { BundleReader } from '../bundle/reader.js'
import { chooseEngine } from './choose-engine.js'
import type { ChooseEngineOptions, EngineName, OpenStudent, OpenStudentOptions, StudentRunner } from './types.js'

/** What an engine does in a test: takes so long for a run, ms, or cannot be opened. */
type Device = Partial<Record<EngineName, number | Error>>

const unavailable = (why: string) => new FxError('backend-unavailable', why)

let clock: number
let opened: OpenStudentOptions[]
let runs: EngineName[]
let alive: EngineName[]
let released: number

beforeEach(() => {
  clock = 0
  opened = []
  runs = []
  alive = []
  released = 0
  vi.spyOn(performance, 'now').mockImplementation(() => clock)
})

const bundle: BundleReader = {
  url: new URL('https://example.test/effect.json'),
  manifest: testManifest(),
  hash: '',
  read: async () => new Uint8Array(),
  release: () => void released++,
}

const opener =
  (device: Device): OpenStudent =>
  async (_, options) => {
    opened.push(options)
    const { engine } = options
    const behaviour = device[engine] ?? unavailable(`no ${engine}`)
    if (behaviour instanceof Error) throw behaviour
    alive.push(engine)
    const runner: Partial<StudentRunner> = {
      engine,
      parameters: 0,
      run: async () => {
        runs.push(engine)
        clock += behaviour
        return {} as OffscreenCanvas
      },
      dispose: () => void alive.splice(alive.indexOf(engine), 1),
    }
    return runner as StudentRunner
  }

const choose = (device: Device, options?: ChooseEngineOptions) => chooseEngine(bundle, options, opener(device))

test('the fastest is kept, of the others nothing stays', async () => {
  const { runner, tried } = await choose({ webgpu: 30, webgl: 12, wasm: 20 })
  expect(runner.engine).toBe('webgl')
  expect(alive).toEqual(['webgl'])
  expect(released).toBe(1)
  expect(tried).toEqual([
    { engine: 'webgpu', usable: true, reason: '30.0 ms a frame', p50Ms: 30 },
    { engine: 'webgl', usable: true, reason: '12.0 ms a frame', p50Ms: 12 },
    { engine: 'litert', usable: false, reason: 'no litert' },
    { engine: 'wasm', usable: true, reason: '20.0 ms a frame', p50Ms: 20 },
  ])
})

test('what is hopeless is given up after one timed run, what is slower after three', async () => {
  await choose({ webgpu: 10, webgl: 100, wasm: 13 })
  const count = (engine: EngineName) => runs.filter(run => run === engine).length
  // Each is warmed up once more.
  expect(count('webgpu')).toBeGreaterThan(10)
  expect(count('webgl')).toBe(2)
  expect(count('wasm')).toBe(4)
})

test('software adapters are only for those who name them', async () => {
  await choose({ wasm: 10 })
  expect(opened.every(({ software }) => software === false)).toBe(true)
  opened = []
  await choose({ webgl: 10 }, { engines: ['webgl'] })
  expect(opened).toMatchObject([{ engine: 'webgl', software: true }])
})

test('what is preferred is taken without a look at the others', async () => {
  const { runner, tried } = await choose({ webgpu: 1, wasm: 20 }, { prefer: 'wasm', threads: 2 })
  expect(runner.engine).toBe('wasm')
  expect(opened).toMatchObject([{ engine: 'wasm', threads: 2 }])
  expect(tried).toMatchObject([{ engine: 'wasm', usable: true }])
  expect(runs).toEqual([])
})

test('what is preferred but does not work, or is not allowed, is passed over', async () => {
  const { runner, tried } = await choose({ wasm: 20, litert: 30 }, { prefer: 'webgpu' })
  expect(runner.engine).toBe('wasm')
  expect(tried.map(({ engine }) => engine)).toEqual(['webgpu', 'webgl', 'litert', 'wasm'])
  const { runner: other } = await choose({ wasm: 20, litert: 30 }, { prefer: 'wasm', except: ['wasm'] })
  expect(other.engine).toBe('litert')
  const { runner: third } = await choose({ wasm: 20, litert: 30 }, { prefer: 'wasm', engines: ['litert'] })
  expect(third.engine).toBe('litert')
})

test('one candidate is not timed', async () => {
  const { tried } = await choose({ wasm: 20 }, { engines: ['wasm'] })
  expect(runs).toEqual([])
  expect(tried).toEqual([{ engine: 'wasm', usable: true, reason: expect.stringContaining('no other') }])
})

test('plain JavaScript is the last resort', async () => {
  const { runner } = await choose({ cpu: 500 })
  expect(runner.engine).toBe('cpu')
  expect(alive).toEqual(['cpu'])
  await expect(choose({ cpu: 500 }, { engines: ['webgpu', 'webgl'] })).rejects.toMatchObject({
    code: 'backend-unavailable',
  })
})

test('an engine that fails while it is timed is not taken', async () => {
  const open = opener({ webgl: 5, wasm: 20 })
  const breaking: OpenStudent = async (bundle, options) => {
    const runner = await open(bundle, options)
    return options.engine === 'webgl'
      ? {
          ...runner,
          run: async () => {
            throw unavailable('context lost')
          },
        }
      : runner
  }
  const { runner, tried } = await chooseEngine(bundle, {}, breaking)
  expect(runner.engine).toBe('wasm')
  expect(alive).toEqual(['wasm'])
  expect(tried).toContainEqual({ engine: 'webgl', usable: false, reason: 'context lost' })
})

test('when none works each reason is told', async () => {
  const error = await choose({ wasm: unavailable('no SIMD') }).catch(error => error)
  expect(FxError.isInstance(error, 'backend-unavailable')).toBe(true)
  expect(error.message).toContain('wasm: no SIMD')
  expect(error.details.tried).toHaveLength(5)
  expect(released).toBe(1)
  await expect(choose({ wasm: 1 }, { engines: ['wasm'], except: ['wasm'] })).rejects.toThrow('None is left')
})

test('a failure of the bundle ends the choice, and nothing stays', async () => {
  const broken = new FxError('checksum-mismatch', 'another file')
  await expect(choose({ webgpu: 10, webgl: broken })).rejects.toBe(broken)
  expect(alive).toEqual([])
  expect(released).toBe(1)
})

test('a signal ends the choice, and nothing stays', async () => {
  const controller = new AbortController()
  const open = opener({ webgpu: 10, wasm: 20 })
  const aborting: OpenStudent = async (bundle, options) => {
    if (options.engine === 'wasm') controller.abort()
    return open(bundle, options)
  }
  await expect(chooseEngine(bundle, { signal: controller.signal }, aborting)).rejects.toMatchObject({ code: 'aborted' })
  expect(alive).toEqual([])
})
