import { FxError } from '@fx/core'
import type { io } from '@tensorflow/tfjs-core'
import { type BundleReader, parseJson } from '../bundle/reader.js'

/**
 * The files of a graph model as tfjs takes them.
 *
 * @throws FxError as `BundleReader.read`, `corrupt-file` when it is no model.
 */
export const readModelArtifacts = async (
  bundle: BundleReader,
  path: string,
  signal?: AbortSignal,
): Promise<io.ModelArtifacts> => {
  const json = parseJson(new URL(path, bundle.url), await bundle.read(path, signal))
  const { weightsManifest, ...topology } = json as io.ModelJSON
  if (!Array.isArray(weightsManifest)) throw new FxError('corrupt-file', `${path} has no weightsManifest`)
  const folder = path.slice(0, path.lastIndexOf('/') + 1)
  const paths = weightsManifest.flatMap(({ paths }) => paths)
  const buffers = await Promise.all(paths.map(async name => (await bundle.read(folder + name, signal)).buffer))
  return {
    ...(topology as io.ModelArtifacts),
    weightSpecs: weightsManifest.flatMap(({ weights }) => weights),
    weightData: buffers.length === 1 ? buffers[0]! : buffers,
  }
}
