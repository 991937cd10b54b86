import { stat } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { FxError, listed } from '@fx/core'
import type { TeacherTraining } from '@fx/teacher-adapters'
import type { DistillConfig } from './types.js'

const extensions = ['.ts', '.mts', '.js', '.mjs']

/** The names that are tried, in this order, when no config file is named. */
export const configNames: readonly string[] = extensions.map(extension => `fx.config${extension}`)

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    entry => entry.isFile(),
    () => false,
  )

/** The path of the config: the one given, or the first of `fx.config.ts`, `.mts`, `.js`, `.mjs` in the working directory. */
const locate = async (given?: string): Promise<string> => {
  for (const name of given === undefined ? configNames : [given]) {
    if (await exists(resolve(name))) return resolve(name)
  }
  throw new FxError(
    'not-found',
    given === undefined
      ? `No config file in ${process.cwd()}; expected ${listed(configNames)}, or name one with --config`
      : `There is no config file ${resolve(given)}`,
  )
}

/**
 * Loads a config file: TypeScript or JavaScript whose default export is a config. A file that this Node can import is
 * imported; other TypeScript goes through jiti.
 *
 * @throws FxError `not-found`, or `invalid-argument` when the file has no default export or another extension.
 */
export const loadConfig = async (path?: string): Promise<DistillConfig> =>
  (await loadDefault(
    await locate(path),
    'its config as default: export default defineConfig({ ... })',
  )) as DistillConfig

/**
 * Loads a config file whose default export is the training of a teacher.
 *
 * @param kind the kind of training that is asked for.
 * @throws FxError as `loadConfig` does; `invalid-argument` when the export is no training, or one of another kind;
 *   `newer-version` for a training by a newer contract.
 */
export const loadTraining = async (kind: string, path: string): Promise<TeacherTraining> => {
  const file = await locate(path)
  const training = (await loadDefault(file, 'a training as default')) as Partial<TeacherTraining>
  if (typeof training.run !== 'function' || typeof training.kind !== 'string') {
    throw new FxError('invalid-argument', `The default export of ${file} is not the training of a teacher`)
  }
  if (training.specificationVersion !== 'v1') {
    throw new FxError(
      'newer-version',
      `The training in ${file} follows version '${training.specificationVersion}' of the contract; this fx knows 'v1'`,
    )
  }
  if (training.kind !== kind) {
    throw new FxError('invalid-argument', `${file} trains '${training.kind}', not '${kind}'`, {
      details: { kind, found: training.kind },
    })
  }
  return training as TeacherTraining
}

const loadDefault = async (file: string, wanted: string): Promise<object> => {
  if (!extensions.includes(extname(file))) {
    throw new FxError(
      'invalid-argument',
      `The config file ${file} must end in ${listed(extensions)}: it holds functions, which JSON cannot`,
    )
  }
  const { createJiti } = await import('jiti')
  // `tryNative`: under tsx, or in a Node that strips types, the config must see the very modules that this program
  // sees; jiti's own transformation is for the rest.
  const jiti = createJiti(pathToFileURL(file).href, { tryNative: true, interopDefault: false, fsCache: false })
  const module = await jiti.import<{ default?: unknown }>(file)
  const config = module.default
  if (typeof config !== 'object' || config === null) {
    throw new FxError('invalid-argument', `${file} must export ${wanted}`)
  }
  return config
}
