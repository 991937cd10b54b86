/**
 * Draws the picture of the READMEs from a finished run: the judge's first eight portraits by seed; rows are input, the true
 * effect, the student of StyleGAN2, the student of Imagen. Run from the root: npm run picture --workspace
 * @fx/example-swap-teacher
 */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { readJson, writeFileAtomic } from '@fx/core/node'
import type { ShownSample } from '@fx/distill'
import { decodePng, encodePng, type RgbImage } from '@fx/teacher-adapters'
import { imageGrid } from '@fx/teacher-adapters/imagen/training'

const SCALE = 2
const COUNT = 8
const GAP = 4

const root = fileURLToPath(new URL('../../', import.meta.url))

/** One picture of a run's first judged portraits, larger and with white to its right and below. */
const row = async (run: string, role: 'input' | 'teacher' | 'student'): Promise<RgbImage[]> => {
  const folder = `${root}out/swap-teacher/${run}/judge-samples/`
  const shown = ((await readJson(`${folder}index.json`)) as ShownSample[]).slice(0, COUNT)
  return Promise.all(
    shown.map(async sample => framed(decodePng(await readFile(folder + sample[role]), { name: sample[role] }))),
  )
}

const framed = (image: RgbImage): RgbImage => {
  const side = image.width * SCALE
  const [width, height] = [side + GAP, side + GAP]
  const data = new Uint8Array(width * height * 3).fill(255)
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const from = (Math.floor(y / SCALE) * image.width + Math.floor(x / SCALE)) * 3
      data.set(image.data.subarray(from, from + 3), (y * width + x) * 3)
    }
  }
  return { width, height, data }
}

const rows = [
  await row('stylegan2', 'input'),
  await row('stylegan2', 'teacher'),
  await row('stylegan2', 'student'),
  await row('imagen', 'student'),
]
await writeFileAtomic(`${root}docs/images/swap-teacher.png`, encodePng(imageGrid(rows.flat(), COUNT)))
