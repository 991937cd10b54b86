// Prints the SHA-256 of some pairs of the tiny StyleGAN2, so that a test can compare processes.
import { hashTinyPairs } from './hash-tiny-pairs.js'

const [batchSize, ...seeds] = process.argv.slice(2).map(Number)
const hashes: Record<string, string> = {}
for (const on of ['cpu', 'wasm', 'wasm with kernels'] as const) {
  Object.assign(hashes, await hashTinyPairs(on, batchSize!, seeds))
}
process.stdout.write(JSON.stringify(hashes))
