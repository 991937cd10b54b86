import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { seededRandom } from '@fx/core'
import { expect, test } from 'vitest'

const bin = resolve(import.meta.dirname, '../bin/fx.js')
const config = fileURLToPath(new URL('./fixtures/fx.config.ts', import.meta.url))

const folder = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'fx-kill-')), 'run')

interface Ended {
  status: number | null
  signal: string | null
  output: string
}

const start = (backend: string, out: string, ...flags: string[]) => fx('distill', backend, out, ...flags)

const fx = (
  command: string,
  backend: string,
  out: string,
  ...flags: string[]
): { child: ChildProcess; ended: Promise<Ended> } => {
  const child = spawn(
    process.execPath,
    ['--conditions=@fx/source', '--import', 'tsx', bin, command, '--config', config, '--out', out, ...flags],
    { env: { ...process.env, FX_TEST_BACKEND: backend }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let output = ''
  child.stdout.on('data', data => (output += data))
  child.stderr.on('data', data => (output += data))
  const ended = new Promise<Ended>(done => child.on('close', (status, signal) => done({ status, signal, output })))
  return { child, ended }
}

const weightsOf = async (out: string): Promise<Float32Array> => {
  const bytes = await readFile(join(out, 'student', 'weights.bin'))
  return new Float32Array(new Uint8Array(bytes).buffer)
}

const furthest = (a: Float32Array, b: Float32Array): number =>
  a.reduce((largest, value, index) => Math.max(largest, Math.abs(value - b[index]!)), a.length === b.length ? 0 : 9)

/** Waits until the run trains, or has ended. */
const untilTraining = async (out: string, ended: Promise<Ended>): Promise<void> => {
  let over = false
  void ended.then(() => (over = true))
  while (!over && !existsSync(join(out, 'checkpoint.safetensors'))) await sleep(20)
}

test.each([
  { backend: 'cpu', tolerance: 0 },
  { backend: 'wasm', tolerance: 1e-4 },
])(
  'on $backend, a run killed at random moments ends in the weights of an unbroken one',
  async ({ backend, tolerance }) => {
    const whole = await folder()
    expect((await start(backend, whole).ended).status).toBe(0)
    const broken = await folder()
    const random = seededRandom('kill', backend)
    let kills = 0
    for (let attempt = 0; attempt < 4; attempt++) {
      const { child, ended } = start(backend, broken)
      await untilTraining(broken, ended)
      // A resumed run has its checkpoint from the start, so later kills also hit start-up, pairs and the first steps.
      await sleep(random.uniform() * (attempt === 0 ? 400 : 3000))
      child.kill('SIGKILL')
      if ((await ended).signal === 'SIGKILL') kills++
    }
    expect(kills).toBeGreaterThan(0)
    const last = await start(backend, broken).ended
    expect(last).toMatchObject({ status: 0 })
    expect(furthest(await weightsOf(broken), await weightsOf(whole))).toBeLessThanOrEqual(tolerance)
  },
)

test('Ctrl-C finishes the step, writes a checkpoint and says how to go on', async () => {
  const out = await folder()
  const { child, ended } = start('cpu', out)
  await untilTraining(out, ended)
  child.kill('SIGINT')
  const { status, output } = await ended
  expect(status).toBe(130)
  expect(output).toMatch(/Stopped after step \d+ of 24; a checkpoint is written. The same command goes on from here./)
  expect(output).not.toMatch(/ {4}at /)
  const resumed = await start('cpu', out).ended
  expect(resumed.output).toMatch(/training {3}from step \d+ to 24/)
  const other = await start('cpu', out, '--steps', '30').ended
  expect(other.status).toBe(1)
  expect(other.output.trim().split('\n').at(-1)).toMatch(/^fx: resume-mismatch: .*training\.steps: 24 -> 30.*--fresh/)
})

test('fx pairs keeps shards that the next run finds', async () => {
  const out = await folder()
  const pairs = await fx('pairs', 'cpu', out).ended
  expect(pairs).toMatchObject({ status: 0, output: expect.stringMatching(/pairs {6}24 by 'tiny', in .*run\/pairs/) })
  const manifest = await readFile(join(out, 'pairs', 'manifest.json'), 'utf8')
  expect((await fx('pairs', 'cpu', out).ended).status).toBe(0)
  expect(await readFile(join(out, 'pairs', 'manifest.json'), 'utf8')).toBe(manifest)
})
