import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { launchChromium } from './chromium.js'
import { fakeCamera } from './fake-camera.js'
import { writeInverter } from './player/inverter.js'
import { startServer } from './server.js'

/**
 * Opens a page in Chromium with a camera that is dark on its left and, at `/effect/`, an effect that inverts; turns the
 * camera on where it must be, and expects that the page's canvas shows the effect and then, without strength, the camera.
 *
 * @param folders URL prefix to folder, as of `startServer`.
 */
export const expectEffect = async (folders: Record<string, string>): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'fx-example-'))
  const camera = join(folder, 'camera.y4m')
  await writeFile(camera, fakeCamera())
  await writeInverter(join(folder, 'effect'), { crop: 'stretch' })
  const server = await startServer({ ...folders, '/effect/': join(folder, 'effect/') }, true)
  const browser = await launchChromium([`--use-file-for-fake-video-capture=${camera}`])
  const told: string[] = []
  try {
    const page = await browser.newPage()
    page.on('pageerror', error => told.push(error.message))
    page.on('console', message => told.push(message.text()))
    await page.goto(`${server.url}/index.html`)
    if ((await page.locator('fx-effect').count()) > 0) await page.getByRole('button', { name: 'Turn on' }).click()
    const halves = (): Promise<string[]> =>
      page.locator('canvas').evaluate((canvas: HTMLCanvasElement) => {
        const copy = new OffscreenCanvas(4, 1).getContext('2d')!
        copy.drawImage(canvas, 0, 0, 4, 1)
        const { data } = copy.getImageData(0, 0, 4, 1)
        return [0, 12].map(i => (data[i + 3] === 0 ? 'nothing' : data[i]! < 128 ? 'dark' : 'bright'))
      })
    // In a mirror the camera is bright on its left.
    await expect.poll(halves, { timeout: 15_000, message: 'the effect' }).toEqual(['dark', 'bright'])
    await page.getByRole('slider', { name: 'Strength' }).focus()
    await page.keyboard.press('Home')
    await expect.poll(halves, { timeout: 5000, message: 'the camera' }).toEqual(['bright', 'dark'])
    expect(told).toEqual([])
  } catch (error) {
    console.error(told.join('\n'))
    throw error
  } finally {
    await browser.close()
    await server.close()
    await rm(folder, { recursive: true, force: true })
  }
}
