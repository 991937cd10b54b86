/**
 * Whether one loss led nearer than another: the mean difference of two finished runs' perceptual distances over the same
 * held-out pairs, with its bootstrap interval. From the root of the repository:
 *
 *   node --conditions=@fx/source --import tsx examples/losses/compare.ts out/losses/adversarial out/losses/l1
 */
import { readFile } from 'node:fs/promises'
import { prepareBackend } from '@fx/backend'
import { readJson } from '@fx/core/node'
import type { RunRecord } from '@fx/distill'
import { perImage } from '@fx/losses/metrics'
import { featureDistance } from '@fx/losses/perceptual'
import { uncalibratedFaceFeatures } from '@fx/losses/perceptual/face'
import type { RgbImage } from '@fx/teacher-adapters'
import { readShards } from '@fx/teacher-adapters/shards'
import * as tf from '@tensorflow/tfjs-core'
import { loadLayersModel } from '@tensorflow/tfjs-layers'

const [run, other] = process.argv.slice(2)
if (!run || !other) throw new Error('Two folders of finished runs are needed')

const studentOf = async (folder: string) => {
  const { modelTopology, weightsManifest } = (await readJson(`${folder}/student/model.json`)) as tf.io.ModelJSON
  const weightData = new Uint8Array(await readFile(`${folder}/student/weights.bin`)).buffer
  const weightSpecs = weightsManifest.flatMap(({ weights }) => weights)
  return loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData }))
}

const tensorOf = ({ width, height, data }: RgbImage): tf.Tensor4D =>
  tf.tensor4d(
    Float32Array.from(data, value => value / 255),
    [1, height, width, 3],
  )

await prepareBackend({ backend: 'wasm', threads: 1 })
const faces = featureDistance(await uncalibratedFaceFeatures())
const [student, rival] = [await studentOf(run), await studentOf(other)]
const answer = (model: typeof student, input: tf.Tensor4D): tf.Tensor4D =>
  tf.tidy(() => tf.clipByValue(model.predict(input) as tf.Tensor4D, 0, 1))

// A batch's input stands for the rival's answer here: the metric compares two answers to one target.
const difference = perImage<'target' | 'input'>(
  'difference',
  ({ output, target, input }) => tf.tidy(() => tf.sub(faces.distances(output, target), faces.distances(input, target))),
  { ideal: Number.NEGATIVE_INFINITY, needs: ['target', 'input'] },
)
const { evaluation } = (await readJson(`${run}/run.json`)) as RunRecord
const heldOut = new Set(evaluation.samples.map(({ id }) => id))
for await (const { id, input, target } of readShards('out/losses/pairs')) {
  if (!heldOut.has(id)) continue
  const [shown, wanted] = [tensorOf(input), tensorOf(target)]
  const answers = [answer(student, shown), answer(rival, shown)] as const
  await difference.add({ output: answers[0], input: answers[1], target: wanted })
  tf.dispose([shown, wanted, ...answers])
}
const { value, count, interval } = difference.result()
console.log(
  `${run} against ${other}: ${value.toFixed(4)} over ${count} pairs` +
    (interval ? `, 95 % interval ${interval.low.toFixed(4)} to ${interval.high.toFixed(4)}` : ''),
)
