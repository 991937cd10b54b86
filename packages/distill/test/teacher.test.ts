import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { consoleProgress } from '../src/cli/console.js'
import { main } from '../src/cli/main.js'

const config = fileURLToPath(new URL('./fixtures/teacher.config.ts', import.meta.url))
const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'fx-teacher-'))

let printed = ''
beforeEach(() => {
  printed = ''
  const print = (text: unknown): boolean => {
    printed += `${text}\n`
    return true
  }
  vi.spyOn(console, 'error').mockImplementation(print)
  vi.spyOn(process.stderr, 'write').mockImplementation(print as typeof process.stderr.write)
  vi.spyOn(process.stdout, 'write').mockImplementation(print as typeof process.stdout.write)
})
afterEach(() => vi.restoreAllMocks())

test('any training runs under the command, with its flags', async () => {
  const out = join(await folder(), 'count')
  expect(await main(['teacher', 'train', 'counting', '--config', config, '--out', out, '--fresh'])).toBe(0)
  expect(printed).toContain(`counting in ${out}, fresh: true`)
  expect(printed).toMatch(/training {3}counted to 100 \(.* s\)/)
  printed = ''
  expect(await main(['teacher', 'train', 'counting', '--config', config, '--out', out, '--quiet'])).toBe(0)
  expect(printed).toBe('')
})

test('figures of any name are shown', () => {
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: true, columns: 100 })
  const progress = consoleProgress({ stream: stream as unknown as NodeJS.WriteStream })
  progress({ type: 'start', phase: 'training' })
  progress({ type: 'progress', phase: 'training', done: 1, total: 4, values: { G: 0.51234, p: 0.25 } })
  progress.close()
  expect(stream.read()).toContain('1/4  G 0.512, p 0.250')
})

test('help says what to give', async () => {
  expect(await main(['teacher', 'train', '--help'])).toBe(0)
  expect(printed).toMatch(/<kind>[\s\S]*--config[\s\S]*--out[\s\S]*--fresh[\s\S]*--quiet/)
})

test.each([
  [
    'another kind',
    config,
    'painting',
    /^fx: invalid-argument: .*teacher\.config\.ts trains 'counting', not 'painting'/,
  ],
  ['no file', '/nowhere.ts', 'counting', /^fx: not-found: There is no config file \/nowhere\.ts/],
])('%s is told in one line', async (_, file, kind, message) => {
  expect(await main(['teacher', 'train', kind, '--config', file])).toBe(1)
  expect(printed).toMatch(message)
})

test.each([
  [
    'is no training',
    '{ out: "x", size: 32 }',
    /invalid-argument: The default export of .* is not the training of a teacher/,
  ],
  [
    'is of a newer contract',
    '{ specificationVersion: "v2", kind: "a", run() {} }',
    /newer-version: .*'v2'.*knows 'v1'/,
  ],
  ['is missing', undefined, /invalid-argument: .*must export a training as default/],
])('a config whose export %s is refused', async (_, text, message) => {
  const file = join(await folder(), 'x.config.mjs')
  await writeFile(file, text === undefined ? 'export const a = 1' : `export default ${text}`)
  expect(await main(['teacher', 'train', 'a', '--config', file])).toBe(1)
  expect(printed).toMatch(message)
})

test('a config is needed', async () => {
  expect(await main(['teacher', 'train', 'counting'])).toBe(1)
  expect(printed).toMatch(/required option '-c, --config <file>'/)
})

test('Ctrl-C stops the training and says how to go on', async () => {
  const out = join(await folder(), 'count')
  const bin = resolve(import.meta.dirname, '../bin/fx.js')
  const argv = ['--conditions=@fx/source', '--import', 'tsx', bin, 'teacher', 'train', 'counting', '--config', config]
  const child = spawn(process.execPath, [...argv, '--out', out], { stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  child.stderr.on('data', data => (output += data))
  const ended = new Promise(done => child.on('close', done))
  while (!existsSync(out) && child.exitCode === null) await sleep(20)
  child.kill('SIGINT')
  expect(await ended).toBe(130)
  expect(output).toMatch(/Stopped at \d+ of 100\. The same command goes on from here\./)
})
