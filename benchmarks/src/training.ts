import { prepareBackend } from '@fx/backend'
import { adam, fuseLayersForTraining, installTrainingKernels } from '@fx/backend/training'
import { l1 } from '@fx/losses'
import * as tf from '@tensorflow/tfjs-core'
import type { Prepared } from './contender.js'
import type { Contender, Scenario } from './scenario.js'
import { benchmarkImages, benchmarkStudent } from './student.js'

/** One training step of the student: forward in training mode, L1, gradients of every weight, clipping, Adam. */
export const prepareTraining = async (scenario: Scenario, contender: Contender): Promise<Prepared> => {
  const prepared = await prepareBackend({ backend: contender.backend, threads: contender.threads || 'auto' })
  await installTrainingKernels()
  const { model } = benchmarkStudent(scenario, contender)
  fuseLayersForTraining(model)
  const shape = [scenario.batch, scenario.size, scenario.size, 3] as [number, number, number, number]
  const input = tf.tensor4d(benchmarkImages(scenario, 'input'), shape)
  const target = tf.tensor4d(benchmarkImages(scenario, 'target'), shape)
  const variables = model.trainableWeights.map(weight => weight.read() as tf.Variable)
  const loss = l1()
  const optimizer = adam()
  const state = optimizer.init(variables)
  const run = (): void => {
    const { value, grads } = tf.variableGrads(
      () => loss(model.apply(input, { training: true }) as tf.Tensor4D, target),
      variables,
    )
    const gradients = variables.map(variable => grads[variable.name]!)
    optimizer.update(state, gradients, { learningRate: 1e-3, clipNorm: 1 })
    value.dataSync()
    tf.dispose([value, grads])
  }
  return { description: `${prepared.name}, ${prepared.threads} thread(s)`, tasks: [{ name: 'training', run }] }
}
