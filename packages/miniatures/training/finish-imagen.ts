/**
 * Takes the networks of both trainings into the package: half-precision files that name their licence and text encoder.
 * From the root of the repository:
 *
 *   node --conditions=@fx/source --import tsx packages/miniatures/training/finish-imagen.ts NETWORK_16 NETWORK_64
 */
import { fileURLToPath } from 'node:url'
import { prepareBackend } from '@fx/backend'
import { FxError } from '@fx/core'
import { writeFileAtomic } from '@fx/core/node'
import { encodeImagenStage, readImagenStage } from '@fx/teacher-adapters/imagen'
import { openCheckpoint } from '@fx/weights/node'
import { openPortraitTextEncoder } from './open-text-encoder.js'

const files = process.argv.slice(2)
if (files.length !== 2) {
  throw new FxError('invalid-argument', 'Name the network of the base stage and that of the super-resolution')
}
await prepareBackend({ backend: 'cpu' })
const text = await openPortraitTextEncoder()
for (const file of files) {
  const checkpoint = await openCheckpoint(file)
  const trained = await readImagenStage(checkpoint)
  await checkpoint.close()
  const { resolution } = trained.stage
  const bytes = encodeImagenStage(
    { ...trained, stage: { ...trained.stage, text: text.id } },
    { dtype: 'float16', metadata: { licence: 'CC0-1.0' } },
  )
  await writeFileAtomic(
    fileURLToPath(new URL(`../weights/imagen-portraits.${resolution}.safetensors`, import.meta.url)),
    bytes,
  )
  console.warn(`${resolution} px: ${(bytes.length / 1e6).toFixed(2)} MB`)
}
text.dispose()
