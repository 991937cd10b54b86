/** True in Node itself; false in browsers, workers and bundles that only shim `process`. */
export const isNode = (): boolean => typeof process === 'object' && typeof process.versions?.node === 'string'

/**
 * Imports a module that only Node has, or that may not be installed. The name passes through a parameter, so that
 * bundlers neither follow nor complain about it.
 */
export const importUnbundled = (name: string): Promise<unknown> =>
  import(/* @vite-ignore */ /* webpackIgnore: true */ name)

/** An ES import of a CommonJS module may hold everything under `default`. */
export const commonJs = <T extends object>(module: unknown, member: keyof T): T => {
  const namespace = module as T & { default?: T }
  return member in namespace || !namespace.default ? namespace : namespace.default
}

/** True when an import failed because that very package is not installed; Node and Vite say so in different words. */
export const isMissing = (error: unknown, packageName: string): boolean => {
  const message = String((error as Error).message)
  return /Cannot find (package|module)|Could not resolve/.test(message) && message.includes(packageName)
}
