/**
 * Trains the two probes: one labels the samples from which the edits are fitted, the other, of another seed and other
 * portraits, judges the result. From the root of the repository:
 *
 *   node --conditions=@fx/source --import tsx packages/miniatures/training/train-probes.ts
 */
import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import { trainProbe } from './probe.js'

export const probeFile = (role: 'labels' | 'judge'): string =>
  new URL(`../fixtures/probe-${role}.safetensors`, import.meta.url).pathname

await prepareBackend({ backend: 'wasm', threads: 1 })
await installTrainingKernels()
for (const [role, seed] of [
  ['labels', 1],
  ['judge', 2],
] as const) {
  const { accuracy, save, probe } = await trainProbe({ seed, portraits: 8000, heldOut: 1000, epochs: 4 })
  await save(probeFile(role))
  probe.dispose()
  console.warn(role, accuracy)
}
