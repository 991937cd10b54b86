// Loading tfjs-layers registers tfjs's gradients, which the training kernels need.
import '@tensorflow/tfjs-layers'
import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import { sha256Hex } from '@fx/core'
import { tinyEffect, tinyTeacher } from './tiny-stylegan2.js'

/** A backend as tfjs has it, or with the kernels that make generation faster. */
export type TinyBackend = 'cpu' | 'wasm' | 'wasm with kernels'

/** The SHA-256 of pairs of the tiny StyleGAN2, provenance included, by backend and id. */
export const hashTinyPairs = async (
  on: TinyBackend,
  batchSize: number,
  seeds: readonly number[],
): Promise<Record<string, string>> => {
  await prepareBackend({ backend: on === 'cpu' ? 'cpu' : 'wasm', threads: 1 })
  const uninstall = on === 'wasm with kernels' ? await installTrainingKernels() : () => {}
  const teacher = await tinyTeacher({ batchSize, noise: 'random' })
  const hashes: Record<string, string> = {}
  for await (const { id, input, target, provenance } of teacher.pairs({
    effect: tinyEffect,
    size: 16,
    seeds,
    parameters: 'sampled',
  })) {
    const parts = [sha256Hex(input.data), sha256Hex(target.data), JSON.stringify(provenance)]
    hashes[`${on} ${id}`] = sha256Hex(parts.join(' '))
  }
  await teacher.dispose?.()
  uninstall()
  return hashes
}
