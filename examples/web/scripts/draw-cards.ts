/**
 * Draws the pictures of the effects' cards, public/effects/<id>/card.jpg: the sample video's first frame, half as it is, half
 * with the effect, as the page shows it. In this folder, after `npm run build`:
 *
 *   npm run cards
 */
import { fileURLToPath } from 'node:url'
import { writeFileAtomic } from '@fx/core/node'
import { preview } from 'vite'
import { launchChromium } from '../../../packages/runtime-web/test/chromium.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const server = await preview({ root, logLevel: 'error', preview: { host: '127.0.0.1', port: 0 } })
const browser = await launchChromium()
try {
  for (const id of ['painterly', 'pink-hair-stylegan2', 'pink-hair-imagen']) {
    // Less motion: the sample stands still.
    const page = await browser.newPage({ reducedMotion: 'reduce' })
    await page.goto(`${server.resolvedUrls!.local[0]}?effect=${id}`)
    await page.locator('#views:not([aria-busy])').waitFor({ state: 'attached', timeout: 120_000 })
    const drawn = await page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('.view canvas')!
      const height = 240
      const card = Object.assign(document.createElement('canvas'), {
        width: (height * canvas.width) / canvas.height,
        height,
      })
      const context = card.getContext('2d')!
      context.imageSmoothingQuality = 'high'
      context.drawImage(canvas, 0, 0, card.width, height)
      return card.toDataURL('image/jpeg', 0.85)
    })
    await writeFileAtomic(`${root}public/effects/${id}/card.jpg`, Buffer.from(drawn.split(',')[1]!, 'base64'))
    await page.close()
  }
} finally {
  await browser.close()
  await server.close()
}
