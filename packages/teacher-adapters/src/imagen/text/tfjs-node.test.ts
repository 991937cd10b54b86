import { createRequire } from 'node:module'
import { describe, test } from 'vitest'
import { t5Suite } from '../../../test/suites/t5.js'

const installed = (() => {
  try {
    return Boolean(createRequire(import.meta.url).resolve('@tensorflow/tfjs-node'))
  } catch {
    return false
  }
})()

if (installed) {
  describe('the reference T5 on tfjs-node', () => t5Suite('tfjs-node'))
} else {
  test('tfjs-node is not installed here', () => {
    console.warn('tfjs-node is not installed, so its tests did not run: npm run setup:tfjs-node provides it.')
  })
}
