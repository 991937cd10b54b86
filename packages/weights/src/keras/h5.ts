import { unsupported } from '../errors.js'
import { type Hdf5Object, readHdf5 } from '../hdf5/file.js'
import type { ByteSource } from '../source.js'
import { addTensor, type Contents, nullRecord } from '../walk.js'

/**
 * Reads the weights of a Keras `.h5`: a file of weights or of a whole model, of Keras 1 and 2 (a group for each layer,
 * with the names of its weights), or the `.weights.h5` of Keras 3 (numbered weights).
 *
 * Tensors are named `<layer>/<weight>`, `conv1/kernel`; those of Keras 3 `<layer>/<number>`. A model inside the model
 * comes first: `<model>/<layer>/<weight>`.
 *
 * @param layerNames names of layers by their path, for files that do not tell them.
 */
export const readKerasH5 = async (
  source: ByteSource,
  layerNames: ReadonlyMap<string, string> = new Map(),
): Promise<Contents> => {
  const objects = await readHdf5(source)
  const byPath = new Map(objects.map(object => [object.path, object]))
  const contents: Contents = { tensors: new Map(), modules: new Map(), metadata: nullRecord() }
  const layers = layersOf(objects)
  for (const { path, tensor } of objects) {
    if (!tensor) continue
    const name = legacyName(path, layers) ?? (await numberedName(path, byPath, layerNames)) ?? path
    addTensor(source, contents, name, tensor)
  }
  if (contents.tensors.size === 0) throw unsupported(source, 'it is an HDF5 file without weights')
  for (const group of [byPath.get(''), byPath.get('model_weights')]) {
    for (const name of ['keras_version', 'backend']) {
      const text = await group?.attributes.get(name)?.text()
      if (text !== undefined) contents.metadata[name] = text
    }
  }
  return contents
}

/** By the path of each group that lists its weights: the prefix of their names, and where the rest of it begins. */
const layersOf = (objects: readonly Hdf5Object[]): Map<string, string> => {
  const layers = new Map<string, string>()
  for (const { path, attributes } of objects) {
    if (!attributes.has('weight_names')) continue
    const name = path.replace(/^model_weights\//, '')
    const folders = new Set(
      objects
        .filter(object => object.tensor && object.path.startsWith(`${path}/`))
        .map(object => object.path.slice(path.length + 1).replace(/\/?[^/]*$/, '')),
    )
    // A layer's own weights repeat its name, sometimes with a number behind it; a model's name their layers.
    layers.set(path, folders.size > 1 ? `${name}/*` : name)
  }
  return layers
}

const legacyName = (path: string, layers: ReadonlyMap<string, string>): string | undefined => {
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
    const layer = layers.get(path.slice(0, end))
    if (layer === undefined) continue
    const rest = path.slice(end + 1).replace(/:\d+$/, '')
    return layer.endsWith('/*') ? layer.slice(0, -1) + rest : `${layer}/${rest.slice(rest.lastIndexOf('/') + 1)}`
  }
  return undefined
}

/** Keras 3 numbers its layers by class, and tells their names beside the weights. */
const numberedName = async (
  path: string,
  objects: ReadonlyMap<string, Hdf5Object>,
  layerNames: ReadonlyMap<string, string>,
): Promise<string | undefined> => {
  const [, folder, number] = /^(.+)\/vars\/(\d+)$/.exec(path) ?? []
  if (folder === undefined) return undefined
  const nested = /^(?:.*\/)?layers\/([^/]+)\/layers\/[^/]+$/.exec(folder)?.[1]
  const told = objects.get(`${folder}/vars`)?.attributes.get('name')
  const name = (await told?.text()) ?? layerNames.get(folder) ?? folder.replace(/^(?:.*\/)?layers\//, '')
  return `${nested === undefined ? '' : `${nested}/`}${name}/${number}`
}
