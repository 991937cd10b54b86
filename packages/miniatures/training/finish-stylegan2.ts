/**
 * Makes the miniature out of a trained network: float16 weights, a grid of samples, fitted edits. From the root of the
 * repository:
 *
 *   node --conditions=@fx/source --import tsx packages/miniatures/training/finish-stylegan2.ts NETWORK.safetensors
 */
import { fileURLToPath } from 'node:url'
import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import { writeFileAtomic } from '@fx/core/node'
import { encodePng, type RgbImage } from '@fx/teacher-adapters'
import {
  encodeEdits,
  encodeStylegan2,
  readStylegan2,
  stylegan2Generator,
  toRgbImages,
} from '@fx/teacher-adapters/stylegan2'
import { imageGrid } from '@fx/teacher-adapters/stylegan2/training'
import { openCheckpoint } from '@fx/weights/node'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-layers'
import { stylegan2Portraits } from '../src/stylegan2.js'
import { fitEdits } from './fit-edits.js'
import { loadProbe, range } from './probe.js'

const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))
const network = process.argv[2]
if (!network) throw new Error('Name the network: out/miniatures/stylegan2-portraits/network-00060.000.safetensors')

await prepareBackend({ backend: 'wasm', threads: 1 })
await installTrainingKernels()

const trained = await openCheckpoint(network)
const { generator: full } = await readStylegan2(trained)
await trained.close()
const { licence } = stylegan2Portraits
await writeFileAtomic(
  fileURLToPath(stylegan2Portraits.checkpoint),
  encodeStylegan2({ generator: full }, { dtype: 'float16', metadata: { licence: licence.id } }),
)

// The edits are fitted to what ships: the rounded weights.
const shipped = await openCheckpoint(stylegan2Portraits.checkpoint)
const { generator: half } = await readStylegan2(shipped)
await shipped.close()
const generator = stylegan2Generator(half)
const samples: RgbImage[] = []
for (let start = 0; start < 64; start += 16) {
  const images = tf.tidy(() => generator.generate(generator.latents([...range(start, 16)])))
  samples.push(...(await toRgbImages(images)))
  images.dispose()
}
await writeFileAtomic(at('docs/stylegan2-portraits.png'), encodePng(imageGrid(samples, 8)))
const labels = await loadProbe(at('fixtures/probe-labels.safetensors'))
const fitted = await fitEdits(generator, labels, {
  samples: 3072,
  steps: 150,
  psi: 0.7,
  onProgress: message => console.warn(message),
})
await writeFileAtomic(fileURLToPath(stylegan2Portraits.edits), encodeEdits(fitted))
generator.dispose()
