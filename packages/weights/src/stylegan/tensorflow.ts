import { corrupt, unsupported } from '../errors.js'
import { plainClass } from '../pickle/builtins.js'
import { NumpyArray } from '../pickle/numpy.js'
import { describe, type GlobalSpec, PyInstance, PyTuple, type PyValue } from '../pickle/values.js'
import type { ByteSource } from '../source.js'
import { addTensor, type Contents, type ModuleInfo, nullRecord, toPlain, Visits } from '../walk.js'

const className = 'dnnlib.tflib.network.Network'
const maxDepth = 16

/** The global of TensorFlow StyleGANs: a network is its attributes. */
export const tensorflowGlobals: readonly (readonly [string, GlobalSpec])[] = [[className, plainClass(className)]]

const isNetwork = (value: PyValue): value is PyInstance => value instanceof PyInstance && value.kind === className

const networksOf = (root: PyValue): readonly (readonly [string, PyInstance])[] => {
  if (isNetwork(root)) return [['', root]]
  const items = root instanceof PyTuple ? root.items : Array.isArray(root) ? root : []
  const names = items.length === 3 ? ['G', 'D', 'Gs'] : items.map((_, index) => String(index))
  return items.every(isNetwork) ? items.map((network, index) => [names[index]!, network as PyInstance]) : []
}

/** True for what a TensorFlow StyleGAN pickled: a network, or (G, D, Gs). */
export const isTensorflow = (root: PyValue): boolean => networksOf(root).length > 0

/**
 * Tensors of TensorFlow networks, by TensorFlow's names below the network's and its components': `Gs/synthesis/4x4/…`.
 */
export const walkTensorflow = (source: ByteSource, root: PyValue): Contents => {
  const contents: Contents = { tensors: new Map(), modules: new Map(), metadata: nullRecord() }
  const visits = new Visits(source)
  for (const [name, network] of networksOf(root)) visit(source, network, name, { contents, visits }, 0)
  return contents
}

interface Walk {
  readonly contents: Contents
  readonly visits: Visits
}

const visit = (source: ByteSource, network: PyInstance, path: string, walk: Walk, depth: number): void => {
  const { contents, visits } = walk
  if (depth > maxDepth) throw unsupported(source, `its networks nest deeper than ${maxDepth}`)
  const { attributes } = network
  const below = (name: string): string => (path === '' ? name : `${path}/${name}`)

  const variables = attributes.get('variables')
  if (!Array.isArray(variables)) throw corrupt(source, `network '${path}' has no list of variables`)
  visits.count(1 + variables.length)
  for (const variable of variables) {
    const [name, array] = variable instanceof PyTuple ? variable.items : Array.isArray(variable) ? variable : []
    if (typeof name !== 'string' || !(array instanceof NumpyArray) || !array.tensor)
      throw corrupt(source, `network '${path}' has the variable ${describe(name ?? null)}, which is not an array`)
    addTensor(source, contents, below(name), array.tensor)
  }

  const attributesOf = nullRecord<ModuleInfo['attributes']>()
  for (const name of ['version', 'name', 'build_func_name']) {
    const value = attributes.get(name)
    if (typeof value === 'string' || typeof value === 'number') attributesOf[name] = value
  }
  const kwargs = attributes.get('static_kwargs') ?? new Map()
  contents.modules.set(path, {
    className,
    args: [],
    kwargs: toPlain(source, kwargs, visits) as ModuleInfo['kwargs'],
    attributes: attributesOf,
  })

  const components = attributes.get('components') ?? new Map()
  if (!(components instanceof Map)) throw corrupt(source, `the components of network '${path}' are not a dict`)
  for (const [name, component] of components) {
    if (typeof name !== 'string' || !isNetwork(component))
      throw corrupt(source, `network '${path}' has the component ${describe(name)}, which is not a network`)
    visit(source, component, below(name), walk, depth + 1)
  }
}
