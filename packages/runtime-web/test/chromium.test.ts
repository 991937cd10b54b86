import { afterEach, expect, test, vi } from 'vitest'
import { findChromium } from './chromium.js'

afterEach(() => vi.unstubAllEnvs())

test('CHROMIUM_PATH comes before what the path holds', () => {
  vi.stubEnv('CHROMIUM_PATH', process.execPath)
  expect(findChromium()).toBe(process.execPath)
})

test('without a Chromium one line says what to install', () => {
  vi.stubEnv('CHROMIUM_PATH', '/no/such/browser')
  vi.stubEnv('PATH', '')
  expect(findChromium).toThrow(/^No Chromium found; install one: apt-get install chromium .*$/)
})
