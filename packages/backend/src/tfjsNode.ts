import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { importUnbundled, isMissing, isNode } from './environment.js'
import type { Started } from './started.js'

/** Type tests that `node:util` had until Node 23 and that tfjs-node 4.22 still calls. */
const removedFromUtil = {
  isArray: Array.isArray,
  isBoolean: (value: unknown) => typeof value === 'boolean',
  isFunction: (value: unknown) => typeof value === 'function',
  isNull: (value: unknown) => value === null,
  isNullOrUndefined: (value: unknown) => value === null || value === undefined,
  isNumber: (value: unknown) => typeof value === 'number',
  isObject: (value: unknown) => typeof value === 'object' && value !== null,
  isString: (value: unknown) => typeof value === 'string',
  isUndefined: (value: unknown) => value === undefined,
}

const restoreUtil = async (): Promise<void> => {
  const { default: util } = (await importUnbundled('node:util')) as { default: Record<string, unknown> }
  // Replaced even where they exist, since Node 22 prints a deprecation warning for each.
  Object.assign(util, removedFromUtil)
}

export const startTfjsNode = async (): Promise<Started> => {
  if (!isNode()) throw new FxError('backend-unavailable', 'tfjs-node runs in Node only.')
  if (!tf.findBackendFactory('tensorflow')) {
    await restoreUtil()
    // Keeps TensorFlow's own start-up notes off the terminal; errors still show.
    process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'
    try {
      await importUnbundled('@tensorflow/tfjs-node')
    } catch (error) {
      if (!isMissing(error, '@tensorflow/tfjs-node')) throw error
      throw new FxError(
        'missing-package',
        "@tensorflow/tfjs-node is not installed (npm i @tensorflow/tfjs-node; where its installer fails, this repository's npm run setup:tfjs-node).",
        { cause: error, details: { package: '@tensorflow/tfjs-node' } },
      )
    }
  }
  if (!(await tf.setBackend('tensorflow'))) throw new FxError('backend-unavailable', 'TensorFlow did not start.')
  const { availableParallelism } = (await importUnbundled('node:os')) as { availableParallelism(): number }
  const threads = availableParallelism()
  return { threads, simd: false, note: `native TensorFlow, ${threads} threads` }
}
