import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FxError } from '@fx/core'
import { writeFileAtomic } from '@fx/core/node'
import * as tf from '@tensorflow/tfjs-core'
import type { Student } from '../config/types.js'
import { writeWeights } from '../training/weights.js'

/**
 * Saves a student as tfjs layers files (`model.json`, `weights.bin`) with its spec beside them, so that neither an
 * exporter nor this package is needed to use it.
 */
export const saveStudent = async (folder: string, { model, spec, specHash }: Student): Promise<void> => {
  await model.save(
    tf.io.withSaveHandler(async artifacts => {
      const { weightData, weightSpecs, ...topology } = artifacts
      const data = tf.io.CompositeArrayBuffer.join(weightData)
      const json = {
        format: topology.format,
        generatedBy: topology.generatedBy,
        convertedBy: null,
        modelTopology: topology.modelTopology,
        weightsManifest: [{ paths: ['weights.bin'], weights: weightSpecs }],
      }
      await writeFileAtomic(join(folder, 'weights.bin'), new Uint8Array(data))
      await writeFileAtomic(join(folder, 'model.json'), JSON.stringify(json))
      await writeFileAtomic(join(folder, 'spec.json'), JSON.stringify({ specHash, spec }, null, 2))
      return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) }
    }),
  )
}

/**
 * Reads the weights of `saveStudent` back into a student of the same spec.
 *
 * @throws FxError `corrupt-file` when they do not fit it.
 */
export const loadStudent = async (folder: string, { model }: Student): Promise<void> => {
  const path = join(folder, 'weights.bin')
  const bytes = await readFile(path).catch(error => {
    throw new FxError('not-found', `Cannot read the trained weights: ${(error as Error).message}; --fresh starts over`)
  })
  const values = new Float32Array(new Uint8Array(bytes).buffer.slice(0, bytes.length - (bytes.length % 4)))
  const sizes = model.weights.map(weight => weight.read().size)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (bytes.length !== total * 4) {
    throw new FxError(
      'corrupt-file',
      `${path} holds ${bytes.length} bytes; the student has ${total} weights of 4 bytes`,
    )
  }
  let offset = 0
  writeWeights(
    model,
    sizes.map(size => {
      offset += size
      return values.subarray(offset - size, offset)
    }),
  )
}
