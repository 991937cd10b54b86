// Prints the SHA-256 of some portraits, so that a test can compare processes.
import { sha256Hex } from '@fx/core'
import { portraitEffects, portraits } from '../src/portraits.js'

const hashes: string[] = []
for await (const { input, target } of portraits().pairs({
  effect: portraitEffects['hair-colour'],
  size: 32,
  seeds: [0, 7, 123456789],
  parameters: 'sampled',
})) {
  hashes.push(sha256Hex(input.data), sha256Hex(target.data))
}
process.stdout.write(JSON.stringify(hashes))
