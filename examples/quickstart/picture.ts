/**
 * Draws the picture of the root README from a finished run: the judge's first eight portraits by seed; rows are input, the
 * true effect, the student's. Run from the root: npm run picture --workspace @fx/example-quickstart
 */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { readJson, writeFileAtomic } from '@fx/core/node'
import { decodePng, encodePng } from '@fx/teacher-adapters'

const SCALE = 2
const COUNT = 8
const GAP = 4

const root = fileURLToPath(new URL('../../', import.meta.url))
const samples = `${root}out/quickstart/judge-samples/`
const shown = ((await readJson(`${samples}index.json`)) as Record<'input' | 'teacher' | 'student', string>[]).slice(
  0,
  COUNT,
)
const rows = await Promise.all(
  (['input', 'teacher', 'student'] as const).map(role =>
    Promise.all(shown.map(async sample => decodePng(await readFile(samples + sample[role]), { name: sample[role] }))),
  ),
)
const tile = rows[0]![0]!.width * SCALE
const width = COUNT * (tile + GAP) - GAP
const height = rows.length * (tile + GAP) - GAP
const data = new Uint8Array(width * height * 3).fill(255)
rows.forEach((row, y) => {
  row.forEach((image, x) => {
    for (let i = 0; i < tile * tile; i++) {
      const [column, line] = [i % tile, Math.floor(i / tile)]
      const from = (Math.floor(line / SCALE) * image.width + Math.floor(column / SCALE)) * 3
      data.set(image.data.subarray(from, from + 3), ((y * (tile + GAP) + line) * width + x * (tile + GAP) + column) * 3)
    }
  })
})
await writeFileAtomic(`${root}docs/images/quickstart.png`, encodePng({ width, height, data }))
