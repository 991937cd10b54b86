import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepareBackend } from '@fx/backend'
import type { Page } from 'playwright-core'
import { launchChromium } from '../../../packages/runtime-web/test/chromium.js'
import { startServer } from '../../../packages/runtime-web/test/server.js'
import { buildSite, litertFolder, wasmFolder } from '../../../packages/runtime-web/test/site.js'
import { csvOf, keptOf, machine, tableOf } from '../output.js'
import { fastCalibration, quantile, quietOf, summarise, TOLERANCE } from '../statistics.js'
import { fakeCamera } from './fake-camera.js'
import type { Block, Harness, RuntimeBlock } from './page/main.js'
import { type CameraStudent, cameraStudents, writeCameraStudents } from './students.js'

export const CAMERA = 'camera'

/** What runs the student; the naive page has tfjs's wasm with as many threads. */
interface Contender {
  student: CameraStudent
  engine: 'wasm' | 'litert'
  threads: number
}

const contenders: readonly Contender[] = (Object.keys(cameraStudents) as CameraStudent[]).flatMap(student => [
  { student, engine: 'wasm', threads: 1 },
  { student, engine: 'wasm', threads: 2 },
  { student, engine: 'litert', threads: 2 },
])

/** Frames of a block. The naive page takes some times as long for one. */
const runtimeFrames = 60
const naiveFrames = 15

const stages = ['capture', 'crop', 'student', 'composite', 'present'] as const

interface Measured {
  firstFrameMs: number
  runtime: RuntimeBlock[]
  naive: Block[]
}

/** Calls the page, where `harness` is a promise. */
const inPage = <Result>(
  page: Page,
  call: (harness: Harness, argument: number) => Result,
  argument = 0,
): Promise<Awaited<Result>> =>
  page.evaluate(`harness.then(harness => (${call})(harness, ${argument}))`) as Promise<Awaited<Result>>

/** Blocks of frames through the runtime and through the naive page, by turns. */
const measureOne = async (
  page: Page,
  url: string,
  contender: Contender,
  blocks: number,
  calm: (page: Page) => Promise<void>,
): Promise<Measured> => {
  const query = new URLSearchParams(Object.entries(contender).map(([key, value]) => [key, String(value)]))
  const open = async (): Promise<number> => {
    await page.goto(`${url}/index.html?${query}`)
    return inPage(page, ({ firstFrameMs }) => firstFrameMs)
  }
  // The second time all is in the browser's cache.
  await open()
  await calm(page)
  const measured: Measured = { firstFrameMs: await open(), runtime: [], naive: [] }
  for (let i = 0; i < blocks; i++) {
    await calm(page)
    measured.runtime.push(await inPage(page, ({ runtime }, frames) => runtime(frames), runtimeFrames))
    await calm(page)
    measured.naive.push(await inPage(page, ({ naive }, frames) => naive(frames), naiveFrames))
  }
  return measured
}

/** How long to wait for a calm moment, ms. */
const patienceMs = 30_000

/** Waits until a calibration is about as fast as the fastest before, in any page, or for as long as patience lasts. */
const createCalm = () => {
  let fastest = Number.POSITIVE_INFINITY
  return async (page: Page): Promise<void> => {
    for (const start = performance.now(); performance.now() - start < patienceMs; ) {
      const ms = await inPage(page, ({ calibrate }) => calibrate())
      fastest = Math.min(fastest, ms)
      if (ms <= TOLERANCE * fastest) return
    }
  }
}

/** The samples of each frame of some blocks, between the calibrations of its block. */
const samplesOf = <B extends Block>(blocks: readonly B[], times: (block: B) => readonly number[]) =>
  blocks.flatMap(block => {
    const { calibrationBefore, calibrationAfter } = block
    return times(block).map(ms => ({ ms, calibrationBefore, calibrationAfter }))
  })

const summariseOne = ({ runtime, naive, firstFrameMs }: Measured, fast: number) => {
  const calm = quietOf(runtime, fast)
  return {
    firstFrameMs,
    ours: summarise(
      samplesOf(runtime, ({ frames }) => frames),
      fast,
    ),
    captured: summarise(
      samplesOf(runtime, ({ fromCapture }) => fromCapture),
      fast,
    ),
    theirs: summarise(
      samplesOf(naive, ({ frames }) => frames),
      fast,
    ),
    dropped: runtime.reduce((sum, { dropped }) => sum + dropped, 0),
    // What the machine did to a block it did to its neighbour.
    ratio: quantile(
      runtime.map(({ frames }, i) => quantile(frames, 0.5) / quantile(naive[i]!.frames, 0.5)),
      0.5,
    ),
    stages: stages.map(name => ({
      p50: quantile(
        calm.map(({ stages }) => stages[name].p50Ms),
        0.5,
      ),
      p95: quantile(
        calm.map(({ stages }) => stages[name].p95Ms),
        0.5,
      ),
    })),
  }
}

type Row = Contender & ReturnType<typeof summariseOne>

const nameOf = ({ student, engine, threads }: Contender): string => `${student} ${engine} ${threads}`

const ms = (value: number): string => value.toFixed(1)

const print = (rows: readonly Row[]): void => {
  const titles = ['p50 ms', 'p95 ms', 'kept', ...stages, 'from capture', 'naive p50', 'ratio', 'first frame']
  console.log(
    tableOf(
      ['', ...titles],
      rows.map(({ student, engine, threads, ours, theirs, captured, ratio, firstFrameMs, ...row }) => [
        nameOf({ student, engine, threads }),
        ms(ours.p50),
        ms(ours.p95),
        keptOf(ours),
        ...row.stages.map(({ p50 }) => ms(p50)),
        ms(captured.p50),
        ms(theirs.p50),
        ratio.toFixed(2),
        firstFrameMs.toFixed(0),
      ]),
    ),
  )
}

const header = [
  'student,engine,threads,kept,frames,noisy,dropped,p50_ms,p95_ms',
  ...stages.flatMap(stage => [`${stage}_p50_ms`, `${stage}_p95_ms`]),
  'from_capture_p50_ms,from_capture_p95_ms,first_frame_ms,naive_p50_ms,naive_p95_ms,ratio,node,cpu',
].join(',')

const cellsOf = (row: Row) => [
  row.student,
  row.engine,
  row.threads,
  row.ours.kept,
  row.ours.runs,
  row.ours.noisy,
  row.dropped,
  ...[row.ours, ...row.stages, row.captured].flatMap(({ p50, p95 }) => [p50.toFixed(2), p95.toFixed(2)]),
  row.firstFrameMs.toFixed(0),
  row.theirs.p50.toFixed(2),
  row.theirs.p95.toFixed(2),
  row.ratio.toFixed(3),
  ...machine(),
]

/**
 * Each student on each engine from a fake camera of 640 x 480 to a canvas of 480 x 480 in Chromium, by turns with the naive
 * page. Prints a table and returns the CSV.
 *
 * @param rounds as of the other scenarios; five are a block of frames.
 */
export const measureCamera = async (rounds: number): Promise<string> => {
  const blocks = Math.ceil(rounds / 5)
  console.log('\nFrom camera to canvas in Chromium, students of 256x256')
  const folder = await mkdtemp(join(tmpdir(), 'fx-camera-'))
  await prepareBackend({ backend: 'wasm' })
  const [camera, students] = [join(folder, 'camera.y4m'), join(folder, 'students')]
  await writeFile(camera, fakeCamera())
  await writeCameraStudents(students)
  const site = await buildSite(new URL('./page', import.meta.url))
  const folders = { '/': site.folder, '/wasm/': wasmFolder(), '/litert/': litertFolder(), '/students/': students }
  const server = await startServer(folders, true, { 'cache-control': 'max-age=3600' })
  const browser = await launchChromium([`--use-file-for-fake-video-capture=${camera}`])
  try {
    const calm = createCalm()
    const all: (Contender & Measured)[] = []
    for (const contender of contenders) {
      const page = await browser.newPage()
      all.push({ ...contender, ...(await measureOne(page, server.url, contender, blocks, calm)) })
      await page.close()
      console.log(`  ${nameOf(contender)}: measured`)
    }
    const fast = fastCalibration(all.flatMap(({ runtime, naive }) => [...runtime, ...naive]))
    const rows = all.map(measured => ({ ...measured, ...summariseOne(measured, fast) }))
    print(rows)
    return csvOf(header, rows.map(cellsOf))
  } finally {
    await browser.close()
    await Promise.all([server.close(), site.remove(), rm(folder, { recursive: true, force: true })])
  }
}
