import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { FxError } from '@fx/core'
import { readJson } from '@fx/core/node'
import type { io } from '@tensorflow/tfjs-core'
import { writeFolder } from './folder.js'

const weightsFile = 'weights.bin'

/** The files of a GraphModel, by name: `model.json` and `weights.bin`, as `tf.loadGraphModel(url)` fetches them. */
export const graphModelFiles = (artifacts: io.ModelArtifacts): Map<string, Uint8Array | string> => {
  const { weightSpecs, weightData, ...rest } = artifacts
  const json = { ...rest, weightsManifest: [{ paths: [weightsFile], weights: weightSpecs }] }
  return new Map<string, Uint8Array | string>([
    ['model.json', JSON.stringify(json)],
    [weightsFile, new Uint8Array(weightData as ArrayBuffer)],
  ])
}

/**
 * Writes a GraphModel as a folder of `model.json` and `weights.bin`, whole or not at all. A former model there is
 * replaced.
 *
 * @throws FxError `invalid-argument` when the folder holds something else, `write-failed`.
 */
export const writeGraphModel = (folder: string, artifacts: io.ModelArtifacts): Promise<void> =>
  writeFolder(folder, graphModelFiles(artifacts), 'model.json')

/**
 * Reads a GraphModel folder back, for `tfc.loadGraphModel(tf.io.fromMemory(artifacts))`.
 *
 * @param path of `model.json`.
 * @throws FxError `not-found`, `corrupt-file`.
 */
export const readGraphModel = async (path: string): Promise<io.ModelArtifacts> => {
  const { weightsManifest, ...rest } = (await readJson(path)) as io.ModelJSON
  if (!Array.isArray(weightsManifest)) {
    throw new FxError('corrupt-file', `${path} has no weightsManifest`, { details: { path } })
  }
  const buffers: Buffer[] = []
  for (const name of weightsManifest.flatMap(({ paths }) => paths)) {
    const file = join(dirname(path), name)
    buffers.push(
      await readFile(file).catch(error => {
        throw new FxError('not-found', `Cannot read ${file}: ${error.message}`, {
          cause: error,
          details: { path: file },
        })
      }),
    )
  }
  const weights = Uint8Array.from(Buffer.concat(buffers))
  return {
    ...(rest as io.ModelArtifacts),
    weightSpecs: weightsManifest.flatMap(({ weights }) => weights),
    weightData: weights.buffer,
  }
}
