import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import {
  type Generator,
  randomGeneratorWeights,
  type StyleLayer,
  stylegan2Generator,
} from '@fx/teacher-adapters/stylegan2'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-layers' // registers tfjs's gradients
import type { Prepared, Task } from '../contender.js'
import type { GanContender } from './scenario.js'

/**
 * The most bytes in tensors at once while `run` runs, weights included. `tf.profile` would miss those of operations that
 * do not start in tfjs's engine.
 */
export const peakTensorBytes = async (run: () => Promise<void>): Promise<number> => {
  const { state } = tf.engine()
  let bytes = state.numBytes
  let peak = bytes
  const watched: PropertyDescriptor = {
    configurable: true,
    enumerable: true,
    get: () => bytes,
    set(value: number) {
      bytes = value
      peak = Math.max(peak, bytes)
    },
  }
  Object.defineProperty(state, 'numBytes', watched)
  await run()
  Object.defineProperty(state, 'numBytes', { configurable: true, enumerable: true, writable: true, value: bytes })
  return peak
}

/** Million multiplications and additions of a layer's convolution, an image. */
const megaMacs = ({ kind, resolution, inChannels, outChannels }: StyleLayer): number => {
  const side = kind === 'up' ? resolution / 2 : resolution
  return (side * side * inChannels * outChannels * (kind === 'rgb' ? 1 : 9)) / 1e6
}

/** The convolution of one layer alone, on an input and a filter of its shapes. */
const convolution = ({ kind, resolution, inChannels, outChannels }: StyleLayer, batch: number) => {
  const side = kind === 'up' ? resolution / 2 : resolution
  const x = tf.randomNormal([batch, side, side, inChannels]) as tf.Tensor4D
  if (kind !== 'up') {
    const size = kind === 'rgb' ? 1 : 3
    const filter = tf.randomNormal([size, size, inChannels, outChannels]) as tf.Tensor4D
    return () => tf.conv2d(x, filter, 1, 'same')
  }
  const filter = tf.randomNormal([3, 3, outChannels, inChannels]) as tf.Tensor4D
  const padded = resolution + 1
  return () => tf.conv2dTranspose(x, filter, [batch, padded, padded, outChannels], 2, 'valid')
}

/** All convolutions of the synthesis network at their shapes, on inputs made beforehand. */
const convolutions = ({ layers }: Generator, batch: number): Task => {
  const each = layers.map(layer => convolution(layer, batch))
  return {
    name: `convolutions ${batch}`,
    async run() {
      const outputs = each.map((convolve, i) => {
        const output = convolve()
        if (i < each.length - 1) output.dispose()
        return output
      })
      const last = outputs.at(-1)!
      await last.data()
      last.dispose()
    },
  }
}

/** Images from latents, Float32Array out: with constant and with drawn noise, and the convolutions alone. */
export const prepareGeneration = async ({ backend, threads, shape, batches }: GanContender): Promise<Prepared> => {
  const prepared = await prepareBackend({ backend, threads: threads || 'auto' })
  await installTrainingKernels()
  const generator = stylegan2Generator({ config: shape, weights: randomGeneratorWeights(shape, 1) })

  const generation = async (name: string, batch: number, drawn: boolean): Promise<Task> => {
    const seeds = Array.from({ length: batch }, (_, seed) => seed)
    const z = generator.latents(seeds)
    const run = async (): Promise<void> => {
      const images = generator.generate(z, { truncation: { psi: 0.7 }, noise: drawn ? { seeds } : 'const' })
      await images.data()
      images.dispose()
    }
    return { name: `${name} ${batch}`, run, peakTensorBytes: await peakTensorBytes(run) }
  }
  const generations: Task[][] = []
  for (const batch of batches) {
    generations.push([await generation('constant noise', batch, false), await generation('drawn noise', batch, true)])
  }
  const peakRssBytes = process.resourceUsage().maxRSS * 1024
  return {
    description: `${prepared.name}, ${prepared.threads} thread(s)`,
    // Side by side, so that a slow spell of the machine meets all three.
    tasks: generations.flatMap((pair, i) => [...pair, convolutions(generator, batches[i]!)]),
    // Beside other processes a first run meets cold caches, which would count for a network of 10 ms.
    atLeastMs: 150,
    facts: { peakRssBytes, megaMacs: generator.layers.reduce((sum, layer) => sum + megaMacs(layer), 0) },
  }
}
