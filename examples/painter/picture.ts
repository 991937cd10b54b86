/**
 * Draws docs/painter.jpg: pictures, the teacher's paintings, the student's. From this folder:
 *
 *   npm run picture -- PHOTO...
 */
import { prepareBackend } from '@fx/backend'
import type { RgbImage } from '@fx/teacher-adapters'
import { anisotropicKuwahara, naturalImages } from '@fx/teacher-adapters/procedural'
import sharp from 'sharp'
import { shippedPainter } from './shipped.js'

const GAP = 4

const open = async (path: string, size: number): Promise<RgbImage> => {
  const pixels = sharp(path).rotate().flatten().resize(size, size, { fit: 'cover' }).toColourspace('srgb').removeAlpha()
  return { width: size, height: size, data: new Uint8Array(await pixels.raw().toBuffer()) }
}

await prepareBackend({ backend: 'wasm', threads: 1 })
const painter = await shippedPainter()
const { size } = painter
const photographs = await Promise.all(process.argv.slice(2).map(path => open(path, size)))
const pictures = [...photographs, naturalImages({ seed: 2 ** 32, size })]
const rows = pictures.map(picture => [picture, anisotropicKuwahara(picture), painter.paint(picture)])
painter.dispose()

const tiles = rows.flatMap((row, y) =>
  row.map(({ data }, x) => ({
    input: Buffer.from(data),
    raw: { width: size, height: size, channels: 3 as const },
    left: y * (size + GAP),
    top: x * (size + GAP),
  })),
)
await sharp({
  create: {
    width: rows.length * (size + GAP) - GAP,
    height: 3 * (size + GAP) - GAP,
    channels: 3,
    background: '#fff',
  },
})
  .composite(tiles)
  .jpeg({ quality: 92, chromaSubsampling: '4:4:4' })
  .toFile('docs/painter.jpg')
