import { existsSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FxError } from '@fx/core'
import type { BuildFailure, Plugin } from 'esbuild'

/** What a teacher never sees: the seam that makes a teacher swap free. */
export const STUDENTS = [
  '@fx/unet-student',
  '@fx/mobilenet-encoder',
  '@fx/distill',
  '@fx/losses',
  '@fx/export',
  '@fx/runtime-web',
]

/** tfjs imports no student, and is larger than all else. */
const LEAF = /^@tensorflow\//
/** What is not code imports nothing. */
const CODE = /\.([cm]?[jt]sx?|json)$/

export interface ImportGraphOptions {
  /** A module's URL, or a package's name with or without a subpath. */
  entry: URL | string
  /** The folder from which a package's name is looked up. */
  from: string
  conditions: readonly string[]
}

export interface ImportGraph {
  /** How many modules were read. */
  modules: number
  /** How a student is reached: the entry, the modules between, the student. Absent when none is. */
  student?: string[]
  /** Imports at the top of a module that lead nowhere, and modules that are no JavaScript: what lies behind is not known. */
  unresolved: { specifier: string; importer: string }[]
}

const loadEsbuild = async () => {
  try {
    return await import('esbuild')
  } catch (cause) {
    throw new FxError('missing-package', 'Reading what an adapter imports needs esbuild: npm install -D esbuild', {
      cause,
      details: { packages: ['esbuild'] },
    })
  }
}

/** The name in the nearest package.json: modules may be imported by their paths, too. */
const packageNames = (): ((file: string) => string | undefined) => {
  const names = new Map<string, string | undefined>()
  const nameOf = (folder: string): string | undefined => {
    if (names.has(folder)) return names.get(folder)
    const file = join(folder, 'package.json')
    const own = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name : undefined
    const name = own ?? (dirname(folder) === folder ? undefined : nameOf(dirname(folder)))
    names.set(folder, name)
    return name
  }
  return file => nameOf(dirname(file))
}

/**
 * Reads everything that a module imports, statically or by `import('...')` and `require('...')`, through packages, in
 * JavaScript and TypeScript (whose types are not imported). Executes nothing. Needs esbuild.
 *
 * @throws FxError `missing-package` without esbuild.
 */
export const readImports = async ({ entry, from, conditions }: ImportGraphOptions): Promise<ImportGraph> => {
  const { build } = await loadEsbuild()
  const packageOf = packageNames()
  const start = entry instanceof URL || entry.startsWith('file:') ? fileURLToPath(entry) : entry
  /** Who imported a module first. */
  const importers = new Map<string, string>()
  const unresolved: ImportGraph['unresolved'] = []
  let student: string[] | undefined

  const chainTo = (importer: string): string[] => {
    const chain: string[] = []
    for (let at = importer; importers.has(at) && !chain.includes(at); at = importers.get(at)!) chain.unshift(at)
    return chain
  }
  const walk: Plugin = {
    name: 'fx-imports',
    setup(bundler) {
      const resolving = {}
      bundler.onResolve(
        { filter: /.*/ },
        async ({ path, kind, importer, resolveDir, pluginData, with: attributes }) => {
          if (pluginData === resolving) return undefined
          const external = { path, external: true }
          if (isBuiltin(path) || LEAF.test(path)) return external
          const named = STUDENTS.some(name => path === name || path.startsWith(`${name}/`))
          const found = named
            ? undefined
            : await bundler.resolve(path, { kind, importer, resolveDir, pluginData: resolving, with: attributes })
          if (found?.errors.length) {
            // Optional packages are imported lazily, and may be absent.
            if (kind === 'import-statement') unresolved.push({ specifier: path, importer })
            return external
          }
          if (!found || STUDENTS.includes(packageOf(found.path) ?? '')) {
            student ??= [...chainTo(importer), path]
            return external
          }
          if (!importers.has(found.path)) importers.set(found.path, importer)
          return found
        },
      )
      bundler.onLoad({ filter: /.*/ }, ({ path }) =>
        CODE.test(path) ? undefined : { contents: '', loader: 'js' as const },
      )
    },
  }
  const bundling = build({
    stdin: { contents: `export * from ${JSON.stringify(start)}`, resolveDir: from, sourcefile: 'conformance' },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    conditions: [...conditions],
    logLevel: 'silent',
    plugins: [walk],
  })
  await bundling.catch(({ errors }: BuildFailure) => {
    for (const { text, location } of errors) {
      // By then everything has been read.
      if (!text.startsWith('No matching export')) unresolved.push({ specifier: text, importer: location?.file ?? '' })
    }
  })
  return { modules: importers.size, unresolved, ...(student && { student }) }
}
