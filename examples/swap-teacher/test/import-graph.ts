import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import ts from 'typescript'

interface Package {
  folder: string
  /** Subpath of the package to its TypeScript source, as in its `exports`. */
  entries: Map<string, string>
}

/** The workspace's packages by name. */
const packagesOf = (root: string): Map<string, Package> =>
  new Map(
    readdirSync(join(root, 'packages'))
      .map(name => join(root, 'packages', name))
      .filter(folder => existsSync(join(folder, 'package.json')))
      .map(folder => {
        const { name, exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
          name: string
          exports: Record<string, { '@fx/source'?: string } | string>
        }
        const entries = new Map<string, string>()
        for (const [subpath, target] of Object.entries(exports)) {
          const source = typeof target === 'string' ? undefined : target['@fx/source']
          if (source) entries.set(name + subpath.slice(1), join(folder, source))
        }
        return [name, { folder, entries }]
      }),
  )

/** Every module that a file names: imports and exports, of types too, `import()`, `import('...')` types and `require`. */
const specifiersIn = (file: string): string[] =>
  ts.preProcessFile(readFileSync(file, 'utf8'), true, true).importedFiles.map(({ fileName }) => fileName)

const sourceAt = (path: string): string | undefined =>
  [path.replace(/\.js$/, '.ts'), `${path}.ts`, join(path, 'index.ts'), path].find(
    file => /\.([jt]s|json)$/.test(file) && existsSync(file),
  )

/**
 * Follows every import of some packages' sources, through files and through other packages of the workspace.
 *
 * @param root folder that holds `packages/`.
 * @returns the first way from a source of `from` into a package of `to`, file by file; undefined when there is none.
 * @throws Error for an import of the workspace that leads nowhere: what cannot be followed is not known to be harmless.
 */
export const wayBetween = (root: string, from: readonly string[], to: readonly string[]): string[] | undefined => {
  const packages = packagesOf(root)
  const folderOf = (name: string): string => `${packages.get(name)!.folder}/`
  const forbidden = to.map(folderOf)
  const resolved = (specifier: string, file: string): string | undefined => {
    if (!specifier.startsWith('.') && !packages.has(specifier.split('/').slice(0, 2).join('/'))) return undefined
    const target = specifier.startsWith('.')
      ? sourceAt(resolve(dirname(file), specifier))
      : packages.get(specifier.split('/').slice(0, 2).join('/'))!.entries.get(specifier)
    if (!target) throw new Error(`${relative(root, file)} imports '${specifier}', which is no source here`)
    return target
  }
  const came = new Map<string, string | undefined>()
  for (const name of from) {
    const source = join(folderOf(name), 'src')
    for (const file of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
      if (file.endsWith('.ts')) came.set(join(source, file), undefined)
    }
  }
  // A map hands out what is added to it while it is walked.
  for (const file of came.keys()) {
    if (forbidden.some(folder => file.startsWith(folder))) {
      const way = [file]
      for (let before = came.get(file); before; before = came.get(before)) way.unshift(before)
      return way.map(step => relative(root, step))
    }
    for (const specifier of specifiersIn(file)) {
      const target = resolved(specifier, file)
      if (target && !came.has(target)) came.set(target, file)
    }
  }
  return undefined
}
