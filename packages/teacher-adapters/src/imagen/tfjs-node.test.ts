import { createRequire } from 'node:module'
import { describe, test } from 'vitest'
import { cascadeSuite } from '../../test/suites/cascade.js'
import { diffusionSuite } from '../../test/suites/diffusion.js'
import { unetSuite } from '../../test/suites/unet.js'

const installed = (() => {
  try {
    return Boolean(createRequire(import.meta.url).resolve('@tensorflow/tfjs-node'))
  } catch {
    return false
  }
})()

if (installed) {
  describe('the reference UNets on tfjs-node', () => unetSuite('tfjs-node'))
  describe('diffusion on tfjs-node', () => diffusionSuite('tfjs-node'))
  describe('a cascade on tfjs-node', () => cascadeSuite('tfjs-node'))
} else {
  test('tfjs-node is not installed here', () => {
    console.warn('tfjs-node is not installed, so its tests did not run: npm run setup:tfjs-node provides it.')
  })
}
