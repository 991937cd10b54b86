import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ShowState } from '../src/element/index.js'
import { launchChromium } from './chromium.js'
import type { ElementHarness } from './element/main.js'
import { fakeCamera } from './fake-camera.js'
import { writeInverter } from './player/inverter.js'
import { startServer, type TestServer } from './server.js'
import { buildSite, wasmFolder } from './site.js'

let site: Awaited<ReturnType<typeof buildSite>>
let folder: string
let browser: Browser
let server: TestServer
let page: Page
let problems: string[]

/** Changes a copy of the bundle `whole`. */
const spoil = async (name: string, change: (bundle: string) => Promise<unknown>): Promise<void> => {
  const bundle = join(folder, name)
  await cp(join(folder, 'whole'), bundle, { recursive: true })
  await change(bundle)
}

const edit = async (file: string, change: (text: string) => string): Promise<void> =>
  writeFile(file, change(await readFile(file, 'utf8')))

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fx-runtime-web-element-'))
  await writeInverter(join(folder, 'whole'), { crop: 'stretch' })
  await writeInverter(join(folder, 'square'), { crop: 'centre-square' })
  await spoil('newer', bundle =>
    edit(join(bundle, 'effect.json'), text => text.replace(/("formatVersion":\s*)1/, '$199')),
  )
  await spoil('truncated', bundle => truncate(join(bundle, 'probe', 'input.rgb'), 10))
  await spoil('changed', async bundle => {
    const probe = join(bundle, 'probe', 'input.rgb')
    await writeFile(probe, (await readFile(probe)).fill(7))
  })
  const camera = join(folder, 'camera.y4m')
  await writeFile(camera, fakeCamera())
  const flags = [`--use-file-for-fake-video-capture=${camera}`]
  ;[site, browser] = await Promise.all([buildSite(new URL('./element/', import.meta.url)), launchChromium(flags)])
  server = await startServer({ '/': site.folder, '/wasm/': wasmFolder(), '/bundles/': folder }, false)
})

afterAll(async () => {
  await browser?.close()
  await Promise.all([server?.close(), site?.remove()])
  await rm(folder, { recursive: true, force: true })
})

beforeEach(() => {
  problems = []
})

afterEach(async () => {
  await page?.close()
  expect(problems).toEqual([])
})

/** A page with these elements. @param prepare runs before them. */
const open = async (html: string, prepare?: () => void, options?: Parameters<Browser['newPage']>[0]): Promise<void> => {
  page = await browser.newPage(options)
  page.on('pageerror', error => problems.push(error.message))
  await page.goto(`${server.url}/index.html`)
  await page.waitForFunction(() => 'harness' in globalThis)
  if (prepare !== undefined) await page.evaluate(prepare)
  await page.evaluate(html => {
    document.body.innerHTML = html
  }, html)
}

const reached = (kind: string, index = 0): Promise<unknown> =>
  page.waitForFunction(([kind, index]) => globalThis.harness.element(index).state.kind === kind, [kind, index] as const)

const call = <Name extends 'colourAt' | 'loseCamera' | 'failCamera' | 'plugIn' | 'liveTracks'>(
  name: Name,
  ...given: Parameters<ElementHarness[Name]>
): Promise<ReturnType<ElementHarness[Name]>> =>
  page.evaluate(([name, given]) => (globalThis.harness[name] as (...given: unknown[]) => unknown)(...given), [
    name,
    given,
  ] as const) as Promise<ReturnType<ElementHarness[Name]>>

/** Waits until the picture's halves are dark or bright; the fake camera's left is dark. */
const looks = (left: 'dark' | 'bright', right: 'dark' | 'bright', index = 0): Promise<unknown> =>
  expect
    .poll(async () => {
      const greys = [(await call('colourAt', 0.25, index))[1]!, (await call('colourAt', 0.75, index))[1]!]
      return greys.map(grey => (grey < 128 ? 'dark' : 'bright'))
    })
    .toEqual([left, right])

/** Reason, code and message of the last state, a failure. */
const failure = (): Promise<string[]> =>
  page.evaluate(() => {
    const { reason, error } = globalThis.harness.states.at(-1) as Extract<ShowState, { kind: 'failed' }>
    return [reason, error.code, error.message]
  })

const element = (attributes: string): string => `<fx-effect ${attributes}></fx-effect>`
const whole = 'src="/bundles/whole" source="camera"'

test('a visitor turns the camera on, compares, sets the strength and stops', async () => {
  await open(element(`${whole} controls`))
  expect(await page.locator('body').ariaSnapshot()).toMatch(/button "Turn on the camera"/)
  expect(await call('liveTracks')).toBe(0)
  expect(page.workers()).toHaveLength(0)

  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await reached('running')
  await looks('bright', 'dark')
  const seen = await page.locator('body').ariaSnapshot()
  expect(seen).toMatch(/img "Invert"/)
  expect(seen).toMatch(/button "Stop"/)
  expect(seen).toMatch(/slider "Strength": "1"/)
  expect(seen).not.toMatch(/Before and after|Turn on/)
  // The picture's own shape.
  expect(await page.evaluate(() => globalThis.harness.parts())).toMatchObject({ width: 160, height: 120 })
  const box = await page.locator('[part=stage]').boundingBox()
  expect(box!.width / box!.height).toBeCloseTo(4 / 3, 2)

  await page.getByRole('button', { name: 'Compare' }).click()
  const split = page.getByRole('slider', { name: 'Before and after' })
  await split.focus()
  await page.keyboard.press('End')
  await looks('dark', 'bright')
  await page.keyboard.press('Home')
  await looks('bright', 'dark')
  await page.keyboard.press('ArrowRight')
  expect(await split.getAttribute('aria-valuetext')).toBe('1 %')
  await split.click({ position: { x: 22 + box!.width / 2, y: 20 } })
  expect(await page.evaluate(() => globalThis.harness.element().split)).toBeCloseTo(0.5, 1)
  await looks('dark', 'dark')
  await page.getByRole('button', { name: 'Compare', pressed: true }).click()
  await looks('bright', 'dark')

  await page.getByRole('slider', { name: 'Strength' }).focus()
  await page.keyboard.press('Home')
  await looks('dark', 'bright')
  expect(await page.evaluate(() => globalThis.harness.element().parameters)).toEqual({ strength: 0 })

  await page.getByRole('button', { name: 'Stop' }).focus()
  await page.keyboard.press('Enter')
  await reached('ready')
  // Focus stays in the element, on the button that is left.
  await expect
    .poll(() => page.evaluate(() => globalThis.harness.element().shadowRoot!.activeElement?.textContent))
    .toBe('Turn on the camera')
  expect(await call('liveTracks')).toBe(0)
  await expect.poll(() => page.workers().length).toBe(0)
})

describe('what goes wrong is told to the visitor, and in code', () => {
  test.each([
    ['NotAllowedError', 'camera-refused', 'unsupported', /blocked/],
    ['NotFoundError', 'camera-missing', 'not-found', /No camera/],
    ['NotReadableError', 'camera-in-use', 'service-failed', /another program/],
  ])('camera: %s', async (name, reason, code, words) => {
    await open(element(whole))
    await call('failCamera', name)
    await page.getByRole('button').click()
    await reached('failed')
    expect(await failure()).toEqual([reason, code, expect.any(String)])
    expect(await page.locator('body').ariaSnapshot()).toMatch(words)
    await call('failCamera')
    await page.getByRole('button', { name: 'Try again' }).click()
    await reached('running')
  })

  test.each([
    ['nowhere', 'effect-missing', 'not-found', /not there/, 'Try again'],
    ['page', 'effect-damaged', 'corrupt-file', /did not arrive whole/, 'Try again'],
    ['truncated', 'effect-damaged', 'corrupt-file', /did not arrive whole/, 'Try again'],
    ['changed', 'effect-damaged', 'checksum-mismatch', /did not arrive whole/, 'Try again'],
    ['newer', 'effect-newer', 'newer-version', /newer than this page/, 'Reload the page'],
    ['offline', 'offline', 'service-failed', /Check your connection/, 'Try again'],
  ])('bundle: %s', async (name, reason, code, words, action) => {
    await open(element(''))
    await page.route('**/bundles/page/**', route =>
      route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }),
    )
    await page.route('**/bundles/offline/**', route => route.abort())
    await page.evaluate(name => {
      Object.assign(globalThis.harness.element(), { src: `/bundles/${name}`, source: 'camera', autostart: true })
    }, name)
    await reached('failed')
    expect(await failure()).toEqual([reason, code, expect.any(String)])
    const seen = await page.locator('body').ariaSnapshot()
    expect(seen).toMatch(words)
    expect(seen).toContain(`button "${action}"`)
    await expect.poll(() => call('liveTracks')).toBe(0)
    // It rests until something else is asked for.
    await page.evaluate(() => Object.assign(globalThis.harness.element(), { src: '/bundles/whole' }))
    await reached('running')
  })

  test('no WebAssembly SIMD', async () => {
    await open(element(''))
    await page.route('**/worker*.js', async route => {
      const response = await route.fetch()
      await route.fulfill({ response, body: `WebAssembly.validate = () => false;${await response.text()}` })
    })
    await page.evaluate(() => {
      Object.assign(globalThis.harness.element(), { src: '/bundles/whole', source: 'camera', autostart: true })
    })
    await reached('failed')
    expect(await failure()).toEqual(['browser', 'backend-unavailable', expect.stringMatching(/SIMD/)])
    expect(await page.locator('body').ariaSnapshot()).toMatch(/This browser cannot run the effect/)
  })

  test('a picture that is not there, and one that is not one', async () => {
    await open(`<p id="text"></p>${element('src="/bundles/whole" source="/nothing.png" autostart')}`)
    await reached('failed')
    expect(await failure()).toEqual(['source', 'not-found', expect.stringMatching(/nothing.png/)])
    await page.evaluate(() => Object.assign(globalThis.harness.element(), { source: '#text' }))
    await expect.poll(failure).toEqual(['source', 'invalid-argument', expect.stringMatching(/#text/)])
    expect(await page.locator('body').ariaSnapshot()).toMatch(/cannot be shown/)
  })
})

test('a camera that is lost is asked for, and comes back', async () => {
  await open(element(`${whole} autostart`))
  await reached('running')
  await call('failCamera', 'NotFoundError')
  await call('loseCamera')
  await reached('waiting')
  const seen = await page.locator('body').ariaSnapshot()
  expect(seen).toMatch(/was disconnected/)
  expect(seen).toMatch(/button "Try again"/)
  await call('failCamera')
  await call('plugIn')
  await reached('running')
  expect(await page.locator('body').ariaSnapshot()).toMatch(/status: The camera is back/)
  await looks('bright', 'dark')
})

test('a camera that is still being asked for can be given up', async () => {
  await open(element(`${whole} controls`), () => globalThis.harness.failCamera(''))
  await page.getByRole('button').click()
  await reached('starting')
  expect(await page.locator('body').ariaSnapshot()).toMatch(/Waiting for the camera/)
  await page.getByRole('button', { name: 'Stop' }).click()
  await reached('ready')
  await expect.poll(() => page.workers().length).toBe(0)
})

test('one effect follows another without a black frame, of another shape too', async () => {
  await open(element(`${whole} autostart`))
  await reached('running')
  const change = (attribute: string, value: string) =>
    page.evaluate(
      ([attribute, value]) => {
        const changed = globalThis.harness.next('effect-changed')
        globalThis.harness.element().setAttribute(attribute, value)
        return globalThis.harness.leastOpaque(changed.then(() => new Promise(resolve => setTimeout(resolve, 300))))
      },
      [attribute, value] as const,
    )
  expect(await change('src', '/bundles/square')).toBe(255)
  expect(await page.evaluate(() => globalThis.harness.parts())).toMatchObject({ width: 120, height: 120 })
  expect(await change('src', '/bundles/whole')).toBe(255)
  expect(await change('engine', 'cpu')).toBe(255)
  expect(await page.evaluate(() => globalThis.harness.element().stats()!.engine)).toBe('cpu')
  await looks('bright', 'dark')
  await expect.poll(() => page.workers().length).toBe(1)
  expect(await call('liveTracks')).toBe(1)
})

test('attributes and properties change the next frame; wrong ones are told to the developer', async () => {
  const warnings: string[] = []
  await open(element(`${whole} autostart parameters='{"strength":0}' mirror`))
  page.on('console', message => message.type() === 'warning' && warnings.push(message.text()))
  await reached('running')
  await looks('bright', 'dark')
  const set = (properties: object) =>
    page.evaluate(p => void Object.assign(globalThis.harness.element(), p), properties)
  await set({ mirror: false })
  await looks('dark', 'bright')
  await set({ parameters: {} })
  await looks('bright', 'dark')
  await set({ split: 1 })
  await looks('dark', 'bright')
  await set({ split: undefined })
  await looks('bright', 'dark')
  await set({ parameters: { strength: 7 } })
  await expect.poll(() => warnings.at(-1)).toMatch(/'strength' is 7, allowed are 0 to 1/)
  await page.evaluate(() => globalThis.harness.element().setAttribute('parameters', '{'))
  await expect.poll(() => warnings.at(-1)).toMatch(/not JSON/)
  // What the page sets by itself stays until the attribute changes.
  await page.evaluate(() => globalThis.harness.element().effect!.set({ strength: 0 }))
  await set({ mirror: true })
  await looks('bright', 'dark')
  expect(await page.evaluate(() => globalThis.harness.element().track().kind)).toBe('video')
})

test('pictures by URL, by selector and as objects, several on a page', async () => {
  await open('')
  await page.evaluate(() => {
    const { picture } = globalThis.harness
    const canvas = Object.assign(picture(80, 40), { id: 'canvas' })
    const url = canvas.toDataURL()
    const still = `<fx-effect src="/bundles/whole" source="${url}" autostart></fx-effect>`
    document.body.innerHTML = `<img id="image" src="${url}">${still}<fx-effect src="/bundles/square" source="#image" autostart></fx-effect><fx-effect></fx-effect>`
    Object.assign(globalThis.harness.element(2), { source: canvas, src: '/bundles/whole', autostart: true })
  })
  for (const index of [0, 1, 2]) {
    await reached('running', index)
    await looks('bright', 'dark', index)
  }
  const sizes = await page.evaluate(() => [0, 1, 2].map(index => globalThis.harness.parts(index)))
  expect(sizes.map(({ width, height }) => [width, height])).toEqual([
    [80, 40],
    [40, 40],
    [80, 40],
  ])
  // A source that is a stream ends.
  await page.evaluate(() => {
    Object.assign(globalThis.harness.element(2), { source: new ReadableStream({ start: stream => stream.close() }) })
  })
  await reached('ready', 2)
  expect(await page.evaluate(() => globalThis.harness.element(2).state.reason)).toBe('ended')
})

test('an element that leaves the page frees everything, goes on when it returns, and may be moved', async () => {
  await open(`<div></div>${element(`${whole} autostart`)}`)
  await reached('running')
  await page.evaluate(() => {
    document.querySelector('div')!.append(globalThis.harness.element())
  })
  expect(
    await page.evaluate(
      () => new Promise(resolve => setTimeout(() => resolve(globalThis.harness.states.map(({ kind }) => kind)), 100)),
    ),
  ).toEqual(['starting', 'starting', 'running'])
  await page.evaluate(() => {
    Object.assign(globalThis, { kept: globalThis.harness.element() })
    globalThis.harness.element().remove()
  })
  await expect.poll(() => page.workers().length).toBe(0)
  expect(await call('liveTracks')).toBe(0)
  await page.evaluate(() => document.body.append((globalThis as unknown as { kept: Element }).kept))
  await reached('running')
  await looks('bright', 'dark')
})

test('nothing moves by itself where visitors prefer reduced motion', async () => {
  await open(element(`${whole} autostart`), undefined, { reducedMotion: 'reduce' })
  await page.waitForTimeout(100)
  expect(await page.evaluate(() => globalThis.harness.element().state.kind)).toBe('ready')
  await page.evaluate(() => {
    globalThis.harness.failCamera('')
    globalThis.harness.element().start()
  })
  await reached('starting')
  expect(await page.locator('[part=progress]').isVisible()).toBe(false)
})

test('other words take the place of the English ones', async () => {
  await open(element(whole))
  await page.evaluate(() =>
    Object.assign(globalThis.harness.element(), { words: { startCamera: 'Kamera einschalten' } }),
  )
  expect(await page.locator('body').ariaSnapshot()).toMatch(/button "Kamera einschalten"/)
})
