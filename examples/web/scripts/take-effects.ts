/**
 * Takes the page's effects from the runs of the other examples: bundles with float16 weights in public/effects, and
 * index.json, which lists them. The painter is taken as it ships. In this folder, after `npm run swap` in the root:
 *
 *   npm run effects
 */
import { cp, mkdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { prepareBackend } from '@fx/backend'
import { parseBundleManifest } from '@fx/core'
import { writeFileAtomic } from '@fx/core/node'
import { effectBundle } from '@fx/export/node'
import { studentFromSpec } from '@fx/unet-student'
import * as tf from '@tensorflow/tfjs-core'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const json = async (path: string) => JSON.parse(await readFile(path, 'utf8'))
const read = async (path: string) => parseBundleManifest(await json(path))

/** The student that a run has left. */
const studentOf = async (run: string) => {
  const student = studentFromSpec((await json(`${run}/student/spec.json`)).spec)
  const { weightsManifest } = (await json(`${run}/student/model.json`)) as tf.io.ModelJSON
  const bytes = new Uint8Array(await readFile(`${run}/student/weights.bin`))
  const weights = tf.io.decodeWeights(
    bytes.buffer,
    weightsManifest.flatMap(group => group.weights),
  )
  student.model.loadWeights(weights)
  tf.dispose(weights)
  return student
}

/** A run of the swap, exported again in half the bytes. */
const takeStudent = async (id: string, run: string, name: string, description: string): Promise<void> => {
  const student = await studentOf(run)
  const { effect, card, input, probe } = await read(`${run}/bundle/effect.json`)
  const data = new Uint8Array(await readFile(`${run}/bundle/${probe.input}`))
  await effectBundle({
    folder: at(`../public/effects/${id}`),
    name,
    description,
    licence: card.licence,
    weights: 'float16',
  })({
    model: student.model,
    specHash: student.specHash,
    effect,
    provenance: card.provenance,
    metrics: card.metrics,
    probe: { width: input.width, height: input.height, data },
    folder: run,
  })
  student.dispose()
}

/** In the order of the page. */
const effects = [
  { id: 'painterly', sample: 'scene', teacher: 'a painting filter of 2009' },
  { id: 'pink-hair-stylegan2', sample: 'portraits', teacher: 'StyleGAN2' },
  { id: 'pink-hair-imagen', sample: 'portraits', teacher: 'Imagen' },
] as const

await prepareBackend({ backend: 'wasm' })
const swap = at('../../../out/swap-teacher')
const words = 'Drawn portraits get pink hair, as'
await takeStudent(
  'pink-hair-stylegan2',
  `${swap}/stylegan2`,
  'Pink hair by StyleGAN2',
  `${words} a small StyleGAN2 would edit them.`,
)
await takeStudent(
  'pink-hair-imagen',
  `${swap}/imagen`,
  'Pink hair by Imagen',
  `${words} a small Imagen would draw them.`,
)
await mkdir(at('../public/effects/painterly'), { recursive: true })
await cp(at('../../painter/bundle'), at('../public/effects/painterly'), { recursive: true })

const index = await Promise.all(
  effects.map(async ({ id, ...more }) => {
    const { card, studentSpecHash } = await read(at(`../public/effects/${id}/effect.json`))
    const { name, description, licence } = card
    return { id, name, description, ...more, licence, studentSpecHash, picture: 'card.jpg' }
  }),
)
await writeFileAtomic(at('../public/effects/index.json'), `${JSON.stringify(index, null, 2)}\n`)
