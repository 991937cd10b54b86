import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { consoleProgress } from '../src/cli/console.js'
import { main } from '../src/cli/main.js'
import { distill } from '../src/index.js'
import { tinyConfig } from './fixtures/tiny.js'

const folder = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'fx-cli-')), 'run')

let printed: string[] = []
beforeEach(() => {
  printed = []
  const print = (...words: unknown[]) =>
    void printed.push(words.map(word => (word instanceof Error ? word.stack : word)).join(' '))
  vi.spyOn(console, 'error').mockImplementation(print)
  vi.spyOn(console, 'log').mockImplementation(print)
  const write = (text: string | Uint8Array): boolean => {
    print(String(text))
    return true
  }
  vi.spyOn(process.stderr, 'write').mockImplementation(write as typeof process.stderr.write)
  vi.spyOn(process.stdout, 'write').mockImplementation(write as typeof process.stdout.write)
})
afterEach(() => vi.restoreAllMocks())

test('help lists the commands', async () => {
  expect(await main(['--help'])).toBe(0)
  expect(printed.join('')).toMatch(/distill[\s\S]*pairs[\s\S]*report[\s\S]*Examples/)
})

test.each([
  [['--nonsense'], /unknown option/],
  [['distill', '--steps', '0'], /whole number/],
  [['distill', '--config', '/nowhere.ts'], /^fx: not-found: There is no config file/],
  [['report', '/nowhere'], /^fx: not-found: .*run\.json/],
])('%j fails in one line', async (argv, message) => {
  expect(await main(argv)).toBe(1)
  expect(printed.join('')).toMatch(message)
  expect(printed.join('')).not.toMatch(/ {4}at /)
})

test('--debug shows the stack', async () => {
  expect(await main(['--debug', 'report', '/nowhere'])).toBe(1)
  expect(printed.join('\n')).toMatch(/ {4}at /)
})

test('report builds the report of a run again from its files alone', async () => {
  const out = await folder()
  await distill(tinyConfig(out)).then(result => result.student.model.dispose())
  const path = join(out, 'report.html')
  const first = await readFile(path, 'utf8')
  await writeFile(path, '')
  expect(await main(['report', out])).toBe(0)
  expect(await readFile(path, 'utf8')).toBe(first)
})

test('a report is one file that needs no network, with text made safe', async () => {
  const out = await folder()
  const exporter = async () => ({ folder: out, maxAbsDiff: 2e-6, layersMsP50: 3, fusedMsP50: 1 })
  const { record } = await distill(tinyConfig(out, { name: '<b>Blue</b> & co', exporter })).then(result => {
    result.student.model.dispose()
    return result
  })
  const html = await readFile(join(out, 'report.html'), 'utf8')
  expect(html).toContain('<h1>&lt;b&gt;Blue&lt;/b&gt; &amp; co</h1>')
  expect(html).not.toMatch(/(src|href)="(?!data:)/)
  expect(html).toContain("default-src 'none'")
  expect(html.match(/<figure class="sample">/g)).toHaveLength(record.samples.length)
  for (const label of ['best of all', 'median', 'worst of all']) expect(html).toContain(label)
  expect(html).toContain('CC0-1.0')
  expect(html).toContain('<td>3.00</td>')
  const index = JSON.parse(await readFile(join(out, 'samples', 'index.json'), 'utf8'))
  expect(index).toHaveLength(record.samples.length)
  const png = await readFile(join(out, 'samples', index[0].student))
  expect(png.subarray(1, 4).toString()).toBe('PNG')
})

test('progress is lines where there is no terminal, a bar where there is one, and nothing when quiet', () => {
  const written = (isTTY: boolean, quiet: boolean): string => {
    const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY, columns: 80 })
    const progress = consoleProgress({ quiet, stream: stream as unknown as NodeJS.WriteStream })
    progress({ type: 'start', phase: 'training' })
    progress({ type: 'progress', phase: 'training', done: 1, total: 4, values: { loss: 0.5 } })
    progress({ type: 'done', phase: 'training', message: '4 steps', seconds: 75 })
    progress({ type: 'note', message: 'a note' })
    progress.close()
    return stream.read() ?? ''
  }
  expect(written(false, false)).toBe('training   4 steps (1 min 15 s)\na note\n')
  expect(written(true, false)).toMatch(/░ 1\/4 {2}loss 0.5000[\s\S]*training {3}4 steps/)
  expect(written(true, true)).toBe('')
})
