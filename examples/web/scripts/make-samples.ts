/**
 * Draws the sample videos: src/samples/scene.webm (scene.frag) and portraits.webm (drawn people that sway). In this folder:
 *
 *   npm run samples
 */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { writeFileAtomic } from '@fx/core/node'
import { portraitEffects, portraits } from '@fx/teacher-adapters/portraits'
import { launchChromium } from '../../../packages/runtime-web/test/chromium.js'
import { encode, type Recipe } from './encode.js'
import { webm } from './webm.js'

const FRAME_RATE = 24

const draw = async (name: string, recipe: Omit<Recipe, 'frameRate'>): Promise<void> => {
  const browser = await launchChromium()
  try {
    const page = await browser.newPage()
    page.setDefaultTimeout(0)
    // Encoders are for secure pages only, and this is one.
    await page.route('http://localhost/', route => route.fulfill({ contentType: 'text/html', body: '' }))
    await page.goto('http://localhost/')
    // What names the functions of a bundle is unknown to the page.
    await page.evaluate('globalThis.__name = value => value')
    const encoded = await page.evaluate(encode, { ...recipe, frameRate: FRAME_RATE })
    const frames = encoded.map(({ base64, ...rest }) => ({
      ...rest,
      data: new Uint8Array(Buffer.from(base64, 'base64')),
    }))
    const { width, height, frames: count } = recipe
    const file = webm(frames, { width, height, durationMs: (1000 * count) / FRAME_RATE })
    await writeFileAtomic(fileURLToPath(new URL(`../src/samples/${name}.webm`, import.meta.url)), file)
    console.log(`${name}.webm: ${count} frames, ${(file.length / 1000).toFixed(0)} kB`)
  } finally {
    await browser.close()
  }
}

/** The valley of scene.frag. */
const drawScene = async (): Promise<void> =>
  draw('scene', {
    width: 480,
    height: 360,
    frames: 8 * FRAME_RATE,
    bitrate: 240_000,
    shader: await readFile(new URL('scene.frag', import.meta.url), 'utf8'),
  })

/** People whom nothing was trained on, or judged by. */
const drawPortraits = async (): Promise<void> => {
  const pixels: number[][] = []
  const effect = portraitEffects['hair-colour']
  const seeds = [0, 1, 2, 3, 4, 5].map(i => 40_000_000 + i)
  for await (const { input } of portraits({ style: 'pixelArt' }).pairs({ effect, size: 64, seeds }))
    pixels.push([...input.data])
  const frames = pixels.length * 2 * FRAME_RATE
  await draw('portraits', { width: 256, height: 256, frames, bitrate: 90_000, people: { size: 64, pixels } })
}

await drawPortraits()
await drawScene()
