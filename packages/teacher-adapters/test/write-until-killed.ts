// Writes shards of noise pairs to a folder, slowly, so that a test can kill it on the way.
import { setTimeout } from 'node:timers/promises'
import { writeShards } from '../src/shards.js'
import { effect, pairOf, size } from './noise.js'

await writeShards(
  process.argv[2]!,
  (async function* () {
    for (let seed = 0; seed < 1000; seed++) {
      await setTimeout(2)
      yield pairOf(seed)
    }
  })(),
  { effect, size, pairsPerShard: 5, onProgress: ({ pairs }) => process.stdout.write(`${pairs}\n`) },
)
