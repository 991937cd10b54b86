import { createRequire } from 'node:module'
import { describe, test } from 'vitest'
import { goldenSuite } from '../../test/suites/goldens.js'
import { regulariserSuite } from '../../test/suites/regularisers.js'

const installed = (() => {
  try {
    return Boolean(createRequire(import.meta.url).resolve('@tensorflow/tfjs-node'))
  } catch {
    return false
  }
})()

if (installed) {
  describe('the reference networks on tfjs-node', () => goldenSuite('tfjs-node'))
  describe('the regularisers on tfjs-node', () => regulariserSuite('tfjs-node'))
} else {
  test('tfjs-node is not installed here', () => {
    console.warn('tfjs-node is not installed, so its tests did not run: npm run setup:tfjs-node provides it.')
  })
}
