import { readFileSync } from 'node:fs'
import type { Checkpoint } from '../src/index.js'

/** A fixture's bytes. */
export const fixture = (name: string): Uint8Array => readFileSync(new URL(`../fixtures/${name}`, import.meta.url))

/** A fixture's path. */
export const fixturePath = (name: string): string => new URL(`../fixtures/${name}`, import.meta.url).pathname

/** Shape, type and elements of every tensor. */
export const loadAll = async (
  checkpoint: Checkpoint,
): Promise<Map<string, { dtype: string; shape: readonly number[]; data: ArrayLike<number | bigint> }>> => {
  const all = new Map()
  for (const [name, { dtype, shape, ...tensor }] of checkpoint.tensors)
    all.set(name, { dtype, shape, data: await tensor.load() })
  return all
}

/** The error that a promise ends in. */
export const failure = async (promise: Promise<unknown>): Promise<Error> => {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('It did not fail')
}
