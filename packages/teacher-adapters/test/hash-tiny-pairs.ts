import { prepareBackend } from '@fx/backend'
import { sha256Hex } from '@fx/core'
import { tinyEffect, tinyTeacher } from './tiny-stylegan2.js'

/** The SHA-256 of pairs of the tiny StyleGAN2, provenance included, by backend and id. */
export const hashTinyPairs = async (
  backend: 'cpu' | 'wasm',
  batchSize: number,
  seeds: readonly number[],
): Promise<Record<string, string>> => {
  await prepareBackend({ backend, threads: 1 })
  const teacher = await tinyTeacher({ batchSize, noise: 'random' })
  const hashes: Record<string, string> = {}
  for await (const { id, input, target, provenance } of teacher.pairs({
    effect: tinyEffect,
    size: 16,
    seeds,
    parameters: 'sampled',
  })) {
    const parts = [sha256Hex(input.data), sha256Hex(target.data), JSON.stringify(provenance)]
    hashes[`${backend} ${id}`] = sha256Hex(parts.join(' '))
  }
  await teacher.dispose?.()
  return hashes
}
