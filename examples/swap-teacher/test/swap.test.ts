import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseBundleManifest } from '@fx/core'
import type { DistillConfig, ProgressEvent } from '@fx/distill'
import type * as runtime from '@fx/runtime-web'
import { decodePng } from '@fx/teacher-adapters'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchChromium } from '../../../packages/runtime-web/test/chromium.js'
import { startServer, type TestServer } from '../../../packages/runtime-web/test/server.js'
import { buildSite, wasmFolder } from '../../../packages/runtime-web/test/site.js'
import { distillBoth } from '../distill-both.js'
import { problemsOf, type StudentFigures } from '../figures.js'
import imagen from '../imagen.config.js'
import { pinkHair } from '../student.js'
import stylegan2 from '../stylegan2.config.js'
import { graphTopology } from '../topology.js'

const names = ['stylegan2', 'imagen'] as const
const teachers = names.map(name => expect.stringContaining(name))

/** The run of a config, as small as can be. */
const small = (config: DistillConfig, out: string): DistillConfig => ({
  ...config,
  out,
  pairs: { ...config.pairs, train: 8, heldOut: 4 },
  training: { ...config.training, steps: 2, batchSize: 2 },
  judge: { ...config.judge!, pairs: 4 },
})

let out: string
let students: StudentFigures[]
let report: string
const events: ProgressEvent[] = []

const both = () => {
  const configs = {
    StyleGAN2: small(stylegan2, join(out, 'stylegan2')),
    Imagen: small(imagen, join(out, 'imagen')),
  }
  return distillBoth(out, configs, { onProgress: event => events.push(event) })
}

beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), 'fx-swap-teacher-'))
  ;({ students, report } = await both())
})

afterAll(() => rm(out, { recursive: true, force: true }))

test('the two configs differ in the teacher, and nothing else', async () => {
  const [first, second] = await Promise.all(
    names.map(name => readFile(new URL(`../${name}.config.ts`, import.meta.url), 'utf8')),
  )
  expect(second).toBe(first!.replaceAll('stylegan2', 'imagen'))
  expect(first!.split('\n').filter(line => line.includes('stylegan2'))).toEqual([
    "import { stylegan2Portraits } from '@fx/miniatures/stylegan2'",
    "import { stylegan2Teacher } from '@fx/teacher-adapters/stylegan2'",
    "  out: 'out/swap-teacher/stylegan2',",
    '  teacher: () => stylegan2Teacher(stylegan2Portraits),',
  ])
  for (const config of [stylegan2, imagen]) expect(config).toMatchObject(pinkHair)
})

test('another teacher gives the same student: equal specs, and exported graphs that are equal but for weights', async () => {
  const [first, second] = students
  expect([first!.teacher, second!.teacher]).toEqual(teachers)
  expect(second!.studentSpecHash).toBe(first!.studentSpecHash)
  expect(second!.graphTopologyHash).toBe(first!.graphTopologyHash)
  const [one, other] = await Promise.all(names.map(name => graphTopology(join(out, name, 'bundle'))))
  expect(other).toEqual(one)
  expect((one as { modelTopology: { node: unknown[] } }).modelTopology.node.length).toBeGreaterThan(100)

  const weights = names.map(name => readFile(join(out, name, 'bundle', 'model', 'weights.bin')))
  expect(Buffer.compare(...((await Promise.all(weights)) as [Buffer, Buffer]))).not.toBe(0)
})

test('another teacher is another provenance, and what a runtime reads stays as it was', async () => {
  const manifests = await Promise.all(
    names.map(async name =>
      parseBundleManifest(JSON.parse(await readFile(join(out, name, 'bundle', 'effect.json'), 'utf8'))),
    ),
  )
  const read = manifests.map(({ card, files, ...rest }) => ({
    ...rest,
    files: files.map(({ path }) => path),
  }))
  expect(read[1]).toEqual(read[0])
  expect(manifests.map(({ card }) => card.provenance.teacher)).toEqual(teachers)
})

test('the report shows both students beside the truth, and stands alone', async () => {
  const html = await readFile(report, 'utf8')
  expect(html).toContain(students[0]!.studentSpecHash)
  expect(html).toContain(students[0]!.graphTopologyHash)
  for (const { teacherVersion, licences } of students) {
    expect(html).toContain(teacherVersion)
    expect(licences).toEqual(['CC0-1.0'])
  }
  const sources = [...html.matchAll(/<img [^>]*src="([^"]*)"/g)].map(([, source]) => source!)
  // Four portraits of the judge and four pairs of each teacher, four pictures a row.
  expect(sources).toHaveLength(32)
  expect(sources.every(source => source.startsWith('data:image/png;base64,'))).toBe(true)
  // Input, truth, student, student: of one portrait, by two students that learned from different pairs.
  expect(new Set(sources.slice(0, 4)).size).toBe(4)
  expect(JSON.parse(await readFile(join(out, 'figures.json'), 'utf8'))).toEqual({ students })
  expect((await readFile(join(out, 'figures.csv'), 'utf8')).trim().split('\n')).toHaveLength(3)
})

test('run again, nothing that is finished is computed again', async () => {
  events.length = 0
  expect((await both()).students).toEqual(students)
  expect(events.filter(event => event.type === 'done').map(({ phase }) => phase)).toEqual(['backend', 'backend'])
})

test('a swap that costs something, or teaches nothing, is a failure', () => {
  const judged = { pairs: 4, studentError: 0.1, doNothingError: 0.4, ratio: 0.25, keptPsnrDb: 30 }
  const [first, second] = students.map(student => ({ ...student, judged })) as [StudentFigures, StudentFigures]
  expect(problemsOf([first, second])).toEqual([])
  expect(problemsOf([first, { ...second, studentSpecHash: 'other' }])).toEqual(['The students have different specs.'])
  expect(problemsOf([{ ...first, graphTopologyHash: 'other' }, second])).toEqual([
    'The exported graphs differ in more than their weights.',
  ])
  for (const ratio of [1, 1.2, Number.NaN]) {
    expect(problemsOf([first, { ...second, judged: { ...judged, ratio } }])).toEqual([
      expect.stringMatching(/student of Imagen does not beat doing nothing: error 0\.1000 against 0\.4000/),
    ])
  }
})

describe('in a browser', () => {
  let site: Awaited<ReturnType<typeof buildSite>> | undefined
  let server: TestServer | undefined
  let browser: Browser | undefined

  beforeAll(async () => {
    site = await buildSite(new URL('./page', import.meta.url))
    server = await startServer({ '/': site.folder, '/wasm/': wasmFolder(), '/bundles/': `${out}/` }, true)
    browser = await launchChromium()
  })

  afterAll(async () => {
    await browser?.close()
    await server?.close()
    await site?.remove()
  })

  test('both bundles run in one page, which knows neither', async () => {
    const page = await browser!.newPage()
    await page.goto(`${server!.url}/index.html`)
    await page.waitForFunction(() => 'loadEffect' in globalThis)
    const folder = join(out, 'stylegan2', 'judge-samples')
    const [{ input }] = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8'))
    const { data } = decodePng(await readFile(join(folder, input)), { name: input })
    const { size } = pinkHair
    const rgba = Array.from({ length: size ** 2 * 4 }, (_, i) => (i % 4 === 3 ? 255 : data[(i >> 2) * 3 + (i % 4)]!))
    const answers: number[][] = []
    for (const name of names) {
      const answer = await page.evaluate(
        async ([url, side, pixels]) => {
          const { loadEffect } = globalThis as unknown as Pick<typeof runtime, 'loadEffect'>
          const effect = await loadEffect(url, { wasmPaths: '/wasm/' })
          const answer = await effect.run(new ImageData(Uint8ClampedArray.from(pixels), side))
          effect.dispose()
          return Array.from(answer.data)
        },
        [`/bundles/${name}/bundle/`, size, rgba] as const,
      )
      expect(answer).toHaveLength(size ** 2 * 4)
      expect(answer.filter((_, i) => i % 4 === 3).every(alpha => alpha === 255)).toBe(true)
      answers.push(answer)
    }
    expect(answers[1]).not.toEqual(answers[0])
  })
})
