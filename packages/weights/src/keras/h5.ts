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
  const legacy = legacyNames(objects)
  for (const { path, tensor } of objects) {
    if (!tensor) continue
    const name = legacy.get(path) ?? (await numberedName(path, byPath, layerNames)) ?? path
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

/** The innermost group above a path that lists its weights. */
const layerAbove = (path: string, groups: ReadonlySet<string>): string | undefined => {
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
    if (groups.has(path.slice(0, end))) return path.slice(0, end)
  }
  return undefined
}

/** Names by path of the weights below groups that list theirs. */
const legacyNames = (objects: readonly Hdf5Object[]): Map<string, string> => {
  const groups = new Set(objects.filter(({ attributes }) => attributes.has('weight_names')).map(({ path }) => path))
  const byLayer = new Map<string, string[]>()
  for (const { path, tensor } of objects) {
    const layer = tensor && layerAbove(path, groups)
    if (layer === undefined) continue
    const paths = byLayer.get(layer) ?? []
    paths.push(path)
    byLayer.set(layer, paths)
  }
  const names = new Map<string, string>()
  for (const [layer, paths] of byLayer) {
    const rests = paths.map(path => path.slice(layer.length + 1).replace(/:\d+$/, ''))
    // A layer's own weights repeat its name, sometimes with a number behind it; a model's name their layers.
    const several = new Set(rests.map(rest => rest.slice(0, rest.lastIndexOf('/') + 1))).size > 1
    const name = layer.replace(/^model_weights\//, '')
    paths.forEach((path, i) => {
      const rest = rests[i]!
      names.set(path, `${name}/${several ? rest : rest.slice(rest.lastIndexOf('/') + 1)}`)
    })
  }
  return names
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
