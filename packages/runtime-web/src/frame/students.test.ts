import { type EffectBundleManifest, FxError } from '@fx/core'
import { beforeEach, expect, test } from 'vitest'
import { testManifest } from '../../test/manifest.js'
import type { BundleReader } from '../bundle/reader.js'
import type { ChooseEngineOptions, EngineName, OpenStudentOptions, StudentRunner } from '../engine/types.js'
import { type Engines, openStudents } from './students.js'

const dead = (engine: string): FxError => new FxError('backend-unavailable', `${engine} died.`)

const manifest: EffectBundleManifest = {
  ...testManifest(),
  model: { format: 'tfjs-graph-model', path: 'a', smaller: [{ width: 3, height: 2, path: 'b' }] },
}
const bundle = { manifest, release: () => {} } as unknown as BundleReader

/** Runners that are open, by engine and width. */
let open: string[]
/** Engines whose runs fail. */
let failing: Set<EngineName>
let chosen: ChooseEngineOptions[]
/** Lets a test hold back the opening of a smaller student. */
let gate: Promise<void>

const runner = (engine: EngineName, width: number): StudentRunner => {
  const name = `${engine} ${width}`
  open.push(name)
  return {
    engine,
    threads: 1,
    width,
    height: 2,
    parameters: 1,
    input: name as never,
    run: async values => {
      if (failing.has(engine)) throw dead(engine)
      return `${name} ${values}` as never
    },
    memory: () => ({ tensors: open.length, bytes: 8 }),
    dispose: () => {
      open.splice(open.indexOf(name), 1)
    },
  }
}

const engines: Engines = {
  choose: async (_, options) => {
    chosen.push(options)
    const candidates = (options.engines ?? (['webgl', 'wasm'] as const)).filter(name => !options.except?.includes(name))
    const engine = candidates[0]
    if (engine === undefined) throw new FxError('backend-unavailable', 'None is left.')
    return { runner: runner(engine, 5), tried: [{ engine, usable: true, reason: '' }] }
  },
  open: async (_, { engine, size }: OpenStudentOptions) => {
    await gate
    return runner(engine, size!.width)
  },
}

const drawn: string[] = []
const draw = (input: unknown): void => void drawn.push(input as string)

const holdBack = (): (() => void) => {
  let release = (): void => {}
  gate = new Promise(resolve => {
    release = resolve
  })
  return release
}

beforeEach(() => {
  open = []
  failing = new Set()
  chosen = []
  drawn.length = 0
  gate = Promise.resolve()
})

test('when an engine dies the same picture runs on the next, smaller students follow', async () => {
  const students = await openStudents(bundle, {}, engines)
  await students.open(1)
  expect(await students.run(0, draw, [1])).toBe('webgl 5 1')
  expect(await students.run(1, draw, [1])).toBe('webgl 3 1')
  failing.add('webgl')
  const release = holdBack()
  expect(await students.run(1, draw, [2])).toBe('wasm 5 2')
  expect(drawn).toEqual(['webgl 5', 'webgl 3', 'webgl 3', 'wasm 5'])
  expect(students.report()).toEqual({ name: 'wasm', threads: 1, tensors: 1, bytes: 8, failure: 'webgl died.' })
  expect(students.tried).toMatchObject([{ engine: 'wasm' }])
  release()
  await expect.poll(() => students.run(1, draw, [3])).toBe('wasm 3 3')
  expect(open).toEqual(['wasm 5', 'wasm 3'])
  students.close(1)
  expect(open).toEqual(['wasm 5'])
  students.dispose()
  expect(open).toEqual([])
})

test('the only engine gets a second chance, not a third', async () => {
  const students = await openStudents(bundle, { engines: ['webgl'] }, engines)
  failing.add('webgl')
  await expect(students.run(0, draw, [])).rejects.toMatchObject({ code: 'backend-unavailable' })
  expect(chosen.map(({ except }) => except)).toEqual([undefined, ['webgl'], undefined, ['webgl']])
  expect(open).toEqual([])
  await expect(students.run(0, draw, [])).rejects.toMatchObject({ message: 'None is left.' })
  await expect(students.open(1)).rejects.toMatchObject({ code: 'backend-unavailable' })
})

test("another error is the caller's, the engine stays", async () => {
  const students = await openStudents(bundle, {}, engines)
  const broken = (): void => {
    throw new TypeError('no picture')
  }
  await expect(students.run(0, broken, [])).rejects.toThrow('no picture')
  expect(await students.run(0, draw, [])).toBe('webgl 5 ')
  expect(chosen).toHaveLength(1)
})

test('a smaller student is shared, and closed by the last', async () => {
  const students = await openStudents(bundle, {}, engines)
  await Promise.all([students.open(1), students.open(1)])
  expect(open).toEqual(['webgl 5', 'webgl 3'])
  students.close(1)
  expect(open).toEqual(['webgl 5', 'webgl 3'])
  students.close(1)
  students.close(1)
  expect(open).toEqual(['webgl 5'])
})

test('what is opened too late is closed', async () => {
  const students = await openStudents(bundle, {}, engines)
  const release = holdBack()
  const opening = students.open(1)
  expect(await students.run(1, draw, [])).toBe('webgl 5 ')
  students.dispose()
  release()
  await opening
  expect(open).toEqual([])
  await expect(students.run(0, draw, [])).rejects.toMatchObject({ code: 'aborted' })
})
