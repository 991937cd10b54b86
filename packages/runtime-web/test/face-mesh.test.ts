import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { launchChromium } from './chromium.js'
import type { FaceHarness } from './face/main.js'
import { startServer, type TestServer } from './server.js'
import { buildSite } from './site.js'

const meshFolder = dirname(createRequire(import.meta.url).resolve('@mediapipe/face_mesh/package.json'))

let site: Awaited<ReturnType<typeof buildSite>>
let copies: string
let browser: Browser
let server: TestServer
let foreign: TestServer
let page: Page
let requested: string[]

beforeAll(async () => {
  copies = await mkdtemp(join(tmpdir(), 'fx-runtime-web-mesh-'))
  ;[site, browser] = await Promise.all([buildSite(new URL('./face/', import.meta.url)), launchChromium()])
  await cp(meshFolder, join(copies, 'incomplete'), { recursive: true })
  await rm(join(copies, 'incomplete', 'face_mesh_solution_packed_assets.data'))
  await cp(meshFolder, join(copies, 'spoiled'), { recursive: true })
  await writeFile(join(copies, 'spoiled', 'face_mesh.binarypb'), 'not a graph')
  // One pixel.
  const gif = Buffer.from('R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs=', 'base64')
  await writeFile(join(copies, 'pixel.gif'), gif)
  const folders = { '/': site.folder, '/face_mesh/': meshFolder, '/copies/': copies }
  ;[server, foreign] = await Promise.all([startServer(folders, false), startServer({ '/': copies }, false)])
})

afterAll(async () => {
  await browser?.close()
  await Promise.all([server?.close(), foreign?.close(), site?.remove()])
  await rm(copies, { recursive: true, force: true })
})

beforeEach(async () => {
  page = await browser.newPage()
  requested = []
  page.on('request', request => requested.push(request.url()))
  page.on('pageerror', error => console.error(`page: ${error.message}`))
  await page.goto(`${server.url}/index.html`)
  await page.waitForFunction(() => 'harness' in globalThis)
})

afterEach(() => page?.close())

const call = <Name extends keyof FaceHarness>(
  name: Name,
  ...parameters: Parameters<FaceHarness[Name]>
): Promise<Awaited<ReturnType<FaceHarness[Name]>>> =>
  page.evaluate(
    ([name, parameters]) =>
      (globalThis as unknown as { harness: Record<string, (...p: unknown[]) => never> }).harness[name]!(...parameters),
    [name, parameters] as const,
  )

const path = '/face_mesh'

test('a drawn face is found where it was drawn, of its size and tilt, in every kind of picture; in none there is none', async () => {
  await call('create', { path })
  expect(requested.some(url => url.includes('face_mesh'))).toBe(false)
  expect(await call('videoWithoutPicture')).toBe(0)
  expect(requested.some(url => url.includes('face_mesh'))).toBe(false)

  const [upright, ...others] = await call('poses', [{ x: 320, y: 240, size: 220 }])
  expect(others).toEqual([])
  expect(Math.abs(upright!.x - 320)).toBeLessThan(4)
  expect(Math.abs(upright!.y - 255)).toBeLessThan(20)
  expect(upright!.size).toBeGreaterThan(0.8 * 220)
  expect(upright!.size).toBeLessThan(1.1 * 220)
  expect(Math.abs(upright!.angle)).toBeLessThan(0.03)
  expect(await call('poses', [])).toEqual([])

  // Half the size, elsewhere, tilted.
  const [small] = await call('poses', [{ x: 200, y: 190, size: 110, roll: 0.3 }])
  expect(small!.angle - upright!.angle).toBeCloseTo(0.3, 1)
  expect(Math.abs(small!.size / upright!.size - 0.5)).toBeLessThan(0.04)
  expect(Math.abs(small!.x - 200)).toBeLessThan(12)

  // Larger than what the mesh is given: the landmarks are in pixels of the frame nevertheless. (The mesh looks first where
  // the face was, so after such a leap it is found again one frame later.)
  await call('poses', [])
  const [large] = await call('poses', [{ x: 960, y: 720, size: 660 }], 1920, 1440)
  expect(Math.abs(large!.x / upright!.x - 3)).toBeLessThan(0.05)
  expect(Math.abs(large!.size / upright!.size - 3)).toBeLessThan(0.1)

  for (const kind of ['HTMLCanvasElement', 'OffscreenCanvas', 'ImageBitmap', 'VideoFrame', 'HTMLVideoElement']) {
    const found = await call('posesOf', kind, [{ x: 320, y: 240, size: 220 }])
    expect(found, kind).toHaveLength(1)
    expect(Math.abs(found[0]!.x - upright!.x), kind).toBeLessThan(4)
    expect(Math.abs(found[0]!.size / upright!.size - 1), kind).toBeLessThan(0.04)
  }
  expect(requested.filter(url => !url.startsWith(server.url) && !/^(data|blob):/.test(url))).toEqual([])
})

test('two faces are found when two are asked for; a lost WebGL context is replaced; dispose frees all', async () => {
  const two = [
    { x: 180, y: 240, size: 180 },
    { x: 470, y: 250, size: 200, roll: 0.1 },
  ]
  await call('create', { path, maxFaces: 2 })
  const places = async (): Promise<number[]> =>
    (await call('poses', two)).map(({ x }) => Math.round(x / 30) * 30).sort((a, b) => a - b)
  expect(await places()).toEqual([180, 480])
  await call('loseContexts')
  expect(await places()).toEqual([180, 480])
  expect(await call('liveContexts')).toBe(1)
  await call('dispose')
  await call('dispose')
  expect(await call('fail')).toEqual({ code: 'aborted', message: 'This face detector was disposed' })
  await expect.poll(() => call('liveContexts')).toBe(0)
})

test('the package may be on the page already, as a script', async () => {
  await page.addScriptTag({ url: '/face_mesh/face_mesh.js' })
  const scripts = () => requested.filter(url => url.endsWith('/face_mesh.js')).length
  await call('create', { path })
  expect(await call('poses', [{ x: 320, y: 240, size: 220 }])).toHaveLength(1)
  // The one of the page, and the question whether it is there.
  expect(scripts()).toBe(2)
})

describe('what goes wrong is told', () => {
  test.each([
    ['no package there', '/nowhere', 'missing-package', /face_mesh\.js answers 404\. npm i @mediapipe\/face_mesh/],
    ['one file missing', '/copies/incomplete', 'not-found', /packed_assets\.data answers 404\. Serve all files/],
    ['a wrong file', '/copies/spoiled', 'backend-unavailable', /^The face mesh failed: /],
    ['no server', 'http://127.0.0.1:9/', 'service-failed', /127\.0\.0\.1:9/],
  ])('%s', async (_, path, code, message) => {
    await call('create', { path })
    expect(await call('fail')).toEqual({ code, message: expect.stringMatching(message) })
    // And told again to who asks again.
    expect(await call('fail')).toEqual({ code, message: expect.stringMatching(message) })
  })

  test('a web page in place of the files', async () => {
    await page.route('**/app/**', route => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }))
    await call('create', { path: '/app' })
    expect(await call('fail')).toEqual({ code: 'missing-package', message: expect.stringMatching(/is a web page/) })
  })

  test('no WebGL', async () => {
    await call('withoutWebGL')
    await call('create', { path })
    expect(await call('fail')).toEqual({ code: 'unsupported', message: expect.stringMatching(/no WebGL/) })
  })

  test("another origin's picture", async () => {
    await call('create', { path })
    expect(await call('failToRead', `${foreign.url}/pixel.gif`)).toEqual({
      code: 'invalid-argument',
      message: expect.stringMatching(/^This frame may not be read: /),
    })
  })

  test('options', async () => {
    expect(await call('failToCreate', { path, maxFaces: 0 })).toMatchObject({ code: 'invalid-argument' })
    expect(await call('failToCreate', { path, minConfidence: 2 })).toMatchObject({ code: 'invalid-argument' })
  })
})
