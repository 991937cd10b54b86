import type { EngineName } from './types.js'

/** Where a page remembers; `localStorage` has these. */
export interface Memory {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
}

const names: readonly string[] = ['webgpu', 'webgl', 'wasm', 'litert', 'cpu'] satisfies EngineName[]

/** Another browser, or another version of it, may have another fastest engine. */
const keyOf = (bundleHash: string): string => `@fx/runtime-web ${bundleHash} ${navigator.userAgent}`

/** The page's storage; undefined where there is none or it is forbidden. */
const pageMemory = (): Memory | undefined => {
  try {
    return globalThis.localStorage
  } catch {
    return undefined
  }
}

/** The engine that was the fastest for this bundle on this device. @param bundleHash as `BundleReader.hash`. */
export const rememberedEngine = (bundleHash: string, memory = pageMemory()): EngineName | undefined => {
  try {
    const value = memory?.getItem(keyOf(bundleHash)) ?? ''
    return names.includes(value) ? (value as EngineName) : undefined
  } catch {
    return undefined
  }
}

/** Remembers the engine for the next visit, where the page may. */
export const rememberEngine = (bundleHash: string, engine: EngineName, memory = pageMemory()): void => {
  try {
    memory?.setItem(keyOf(bundleHash), engine)
  } catch {
    // A full or forbidden storage costs a measurement at the next visit, nothing more.
  }
}
