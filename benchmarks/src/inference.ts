import { prepareBackend } from '@fx/backend'
import { exportGraphModel } from '@fx/export'
import { loadGraphModel } from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import type { Prepared } from './contender.js'
import type { Contender, Scenario } from './scenario.js'
import { benchmarkImages, benchmarkStudent } from './student.js'

/** One answer of the student, Float32Array to Float32Array. */
export const prepareInference = async (scenario: Scenario, contender: Contender): Promise<Prepared> => {
  const prepared = await prepareBackend({ backend: contender.backend, threads: contender.threads || 'auto' })
  const student = benchmarkStudent(scenario, contender)
  const pixels = benchmarkImages(scenario, 'frame')
  const shape = [scenario.batch, scenario.size, scenario.size, 3] as [number, number, number, number]
  const graph =
    contender.model === 'fused'
      ? await loadGraphModel(tf.io.fromMemory(await exportGraphModel(student.model)))
      : undefined
  const run = (): void => {
    const input = tf.tensor4d(pixels, shape)
    const output = (graph ? graph.execute(input) : student.model.predict(input)) as tf.Tensor
    output.dataSync()
    tf.dispose([input, output])
  }
  return { description: `${prepared.name}, ${prepared.threads} thread(s)`, tasks: [{ name: 'inference', run }] }
}
