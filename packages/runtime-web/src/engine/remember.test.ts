import { afterEach, expect, test, vi } from 'vitest'
import { rememberEngine, rememberedEngine } from './remember.js'

afterEach(() => vi.unstubAllGlobals())

const memory = () => {
  const items = new Map<string, string>()
  return {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
  }
}

test('an engine is remembered for its bundle and browser', () => {
  const storage = memory()
  vi.stubGlobal('localStorage', storage)
  vi.stubGlobal('navigator', { userAgent: 'Browser/1' })
  expect(rememberedEngine('abc')).toBeUndefined()
  rememberEngine('abc', 'webgl')
  expect(rememberedEngine('abc')).toBe('webgl')
  expect(rememberedEngine('abd')).toBeUndefined()
  vi.stubGlobal('navigator', { userAgent: 'Browser/2' })
  expect(rememberedEngine('abc')).toBeUndefined()
})

test('what is no engine is not believed', () => {
  const storage = { ...memory(), getItem: () => 'quantum' }
  expect(rememberedEngine('abc', storage)).toBeUndefined()
})

test('a page that may not remember gets on without', () => {
  const forbidden = () => {
    throw new Error('forbidden')
  }
  Object.defineProperty(globalThis, 'localStorage', { get: forbidden, configurable: true })
  try {
    expect(rememberedEngine('abc')).toBeUndefined()
    expect(() => rememberEngine('abc', 'wasm')).not.toThrow()
    expect(() => rememberEngine('abc', 'wasm', { getItem: () => null, setItem: forbidden })).not.toThrow()
  } finally {
    Reflect.deleteProperty(globalThis, 'localStorage')
  }
})
