import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FxError, parseBundleManifest } from '@fx/core'
import { readJson } from '@fx/core/node'
import { readGraphModel } from '@fx/export/node'
import type { RgbImage } from '@fx/teacher-adapters'
import { anisotropicKuwahara } from '@fx/teacher-adapters/procedural'
import { type GraphModel, loadGraphModel } from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import sharp from 'sharp'
import { calibration } from './calibration.js'
import { csvOf, machine, tableOf } from './output.js'
import { quantile, type Sample, summarise } from './statistics.js'

export const PAINTER = 'painter'

/** The student's runs for each of the teacher's, which takes a hundred times as long. */
const STUDENT_RUNS = 5

const bundle = fileURLToPath(new URL('../../examples/painter/bundle/', import.meta.url))

/** What the painter's student makes of a picture, 0-255; its matte laid over the picture as a runtime does it. */
const paint = (model: GraphModel, { width, height, data }: RgbImage): Uint8Array => {
  const picture = new Float32Array(data.length)
  for (let i = 0; i < data.length; i++) picture[i] = data[i]! / 255
  const input = tf.tensor4d(picture, [1, height, width, 3])
  const output = model.execute(input) as tf.Tensor
  const values = output.dataSync()
  tf.dispose([input, output])
  const painted = new Uint8ClampedArray(data.length)
  for (let at = 0, from = 0; at < data.length; from += 4) {
    const alpha = values[from + 3]!
    for (let channel = 0; channel < 3; channel++, at++) {
      painted[at] = data[at]! + alpha * (255 * values[from + channel]! - data[at]!)
    }
  }
  return new Uint8Array(painted.buffer)
}

const psnr = (a: Uint8Array, b: Uint8Array): number => {
  const squares = a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0)
  return 10 * Math.log10((255 ** 2 * a.length) / squares)
}

/** Every picture of a folder, by name: its largest centred square at the student's size. */
const readPhotos = async (folder: string, size: number): Promise<{ name: string; image: RgbImage }[]> => {
  const files = await readdir(folder).catch(error => {
    throw new FxError('not-found', `Cannot read the folder of --photos: ${error.message}`, { cause: error })
  })
  const names = files.filter(name => /\.(jpe?g|png|webp)$/i.test(name)).sort()
  if (names.length === 0) throw new FxError('not-found', `${folder} holds no JPEG, PNG or WebP`)
  return Promise.all(
    names.map(async name => {
      const pixels = sharp(join(folder, name)).rotate().flatten().resize(size, size, { fit: 'cover' })
      const data = new Uint8Array(await pixels.toColourspace('srgb').removeAlpha().raw().toBuffer())
      return { name, image: { width: size, height: size, data } }
    }),
  )
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/**
 * The painter of `examples/painter` against its teacher on photographs: how near it comes, beside doing nothing, and how
 * much faster it is, the two in turn on one thread of wasm. Prints the table and returns the CSV.
 *
 * @param photos a folder; every picture in it is judged.
 * @throws FxError `invalid-argument` without a folder, `not-found` for one without pictures.
 */
export const measurePainter = async (photos: string | undefined): Promise<string> => {
  if (photos === undefined) {
    throw new FxError('invalid-argument', 'painter needs --photos DIR; benchmarks/README.md says where to get some')
  }
  console.log('\nThe painter against its teacher on photographs, 256x256, wasm, one thread')
  const calibrate = await calibration()
  const { input, model } = parseBundleManifest(await readJson(join(bundle, 'effect.json')))
  const student = await loadGraphModel(tf.io.fromMemory(await readGraphModel(join(bundle, model.path))))
  // npm runs a workspace's scripts in its own folder; paths are those of whoever called it.
  const folder = resolve(process.env.INIT_CWD ?? '.', photos)
  const pictures = await readPhotos(folder, input.width)
  const timed = <T>(samples: Sample[], work: () => T): T => {
    const calibrationBefore = calibrate()
    const start = performance.now()
    const result = work()
    const ms = performance.now() - start
    samples.push({ ms, calibrationBefore, calibrationAfter: calibrate() })
    return result
  }
  const [studentRuns, teacherRuns]: [Sample[], Sample[]] = [[], []]
  const rows: { name: string; psnr: number; nothing: number }[] = []
  for (let i = 0; i < 10; i++) paint(student, pictures[0]!.image)
  for (const { name, image } of pictures) {
    const target = timed(teacherRuns, () => anisotropicKuwahara(image)).data
    let painted = image.data
    for (let run = 0; run < STUDENT_RUNS; run++) painted = timed(studentRuns, () => paint(student, image))
    rows.push({ name: name.replaceAll(',', ' '), psnr: psnr(painted, target), nothing: psnr(image.data, target) })
  }
  student.dispose()

  const [ours, theirs] = [summarise(studentRuns), summarise(teacherRuns)]
  const times = theirs.p50 / ours.p50
  const cells = (name: string, ...decibels: number[]): string[] => [name, ...decibels.map(value => value.toFixed(2))]
  const all = [
    ...rows.map(row => cells(row.name, row.psnr, row.nothing)),
    cells('mean', mean(rows.map(row => row.psnr)), mean(rows.map(row => row.nothing))),
    cells(
      'median',
      quantile(
        rows.map(row => row.psnr),
        0.5,
      ),
      quantile(
        rows.map(row => row.nothing),
        0.5,
      ),
    ),
    cells('worst', Math.min(...rows.map(row => row.psnr)), Math.min(...rows.map(row => row.nothing))),
  ]
  console.log(tableOf(['', 'PSNR, dB', 'of doing nothing'], all))
  console.log(
    `  student ${ours.p50.toFixed(1)} ms, teacher ${theirs.p50.toFixed(0)} ms: ${times.toFixed(0)} times faster`,
  )
  const speeds = [ours.p50.toFixed(2), theirs.p50.toFixed(2), times.toFixed(1), ours.kept, ours.runs, ours.noisy]
  return csvOf(
    'photo,psnr_db,do_nothing_psnr_db,student_ms_p50,teacher_ms_p50,times_faster,kept,runs,noisy,node,cpu',
    all.map(row => [...row, ...speeds, ...machine()]),
  )
}
