import { readFileSync } from 'node:fs'
import { hashJson } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { depthwiseSeparable, mobilenetEncoder } from '@fx/mobilenet-encoder'
import { applyHead, joinFeature, parameterInput, reduceChannels, upsample } from '@fx/unet-student'
import { input, model } from '@tensorflow/tfjs-layers'
import { expect, test } from 'vitest'

const ownStudent = (seed: number) => {
  const image = input({ name: 'input', shape: [64, 64, 3] })
  const condition = parameterInput([{ name: 'strength', min: 0, max: 1 }])
  const features = mobilenetEncoder({ width: 0.25 }).apply(image, { seed })
  let x = features.at(-1)!
  for (const [i, filters] of [48, 32, 24, 16].entries()) {
    const name = `decoder_${i + 1}`
    x = reduceChannels(x, { name: `${name}_reduce`, filters, values: condition.values, seed })
    x = joinFeature(upsample(x, { name: `${name}_up` }), features.at(-2 - i)!, { name, skip: 'add', seed })
    x = depthwiseSeparable(x, { name, filters, kernelSize: 5, seed })
  }
  // Features of half the image's size: the head brings its answer to the whole.
  const output = applyHead(image, x, { head: 'residual', strength: condition.strength, seed })
  const spec = { name: 'my-student', version: 1 }
  return { model: model({ inputs: [image, condition.input], outputs: output }), spec, specHash: hashJson(spec) }
}

test('a decoder of somebody else is made of the same parts', () => {
  const before = tf.memory().numTensors
  const student = ownStudent(1)
  expect(student.model.outputs[0]!.shape).toEqual([null, 64, 64, 3])
  tf.tidy(() => {
    const image = tf.randomUniform([1, 64, 64, 3], 0, 1, 'float32', 1)
    const answer = student.model.predict([image, tf.tensor2d([[0]])]) as tf.Tensor
    expect(answer.dataSync()).toEqual(image.dataSync())
  })
  student.model.dispose()
  expect(tf.memory().numTensors).toBe(before)
})

test('it is the one that the README shows', () => {
  const between = (text: string) => /const ownStudent = [\s\S]*?\n}\n/.exec(text)![0]
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  expect(between(readme)).toBe(between(readFileSync(new URL(import.meta.url), 'utf8')))
})
