import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom } from '@fx/core'
import { cost, type Student, studentFromSpec, studentSpecHash } from '@fx/unet-student'
import { loadStudent, saveStudent } from '@fx/unet-student/node'
import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'

/** The layers that a student may be made of: all are Keras's own, under the same name and with the same options. */
const kerasLayers = [
  'InputLayer',
  'Conv2D',
  'DepthwiseConv2D',
  'BatchNormalization',
  'ReLU',
  'Add',
  'Multiply',
  'Rescaling',
  'Concatenate',
  'UpSampling2D',
  'ZeroPadding2D',
  'Cropping2D',
  'GlobalAveragePooling2D',
  'Reshape',
  'Dense',
]

const predict = (student: Student, inputs: tf.Tensor[]): number[] =>
  tf.tidy(() => [...(student.model.predict(inputs) as tf.Tensor).dataSync()])

const randomImage = (student: Student, seed: number, batch = 1): tf.Tensor => {
  const { height, width } = student.spec.input
  return tf.randomUniform([batch, height, width, 3], 0, 1, 'float32', seed)
}

/** An image for each of the batch and, where the student takes them, values within the ranges of its parameters. */
const randomInputs = (student: Student, seed: number, batch = 1): tf.Tensor[] => {
  const { parameters } = student.spec
  const random = seededRandom('parameters', seed)
  const values = () => parameters.map(({ min, max }) => min + (max - min) * random.uniform())
  const image = randomImage(student, seed, batch)
  return parameters.length === 0 ? [image] : [image, tf.tensor2d(Array.from({ length: batch }, values))]
}

/** Gives every trained weight a seeded value, as if it had learned: at the start parameters change nothing. */
const randomise = (student: Student): void => {
  for (const [i, weight] of student.model.trainableWeights.entries()) {
    tf.tidy(() => {
      const value = weight.read()
      const noise = tf.randomNormal(value.shape, 0, value.rank < 4 ? 0.1 : 0.02, 'float32', i + 1)
      weight.write(tf.add(value, noise))
    })
  }
}

/** Multiply-accumulates of one prediction, counted from the kernels that the backend really ran. */
const executedMacs = async (student: Student, inputs: tf.Tensor[]): Promise<number> => {
  const { kernels } = await tf.profile(() => tf.tidy(() => void student.model.predict(inputs)))
  return kernels.reduce((sum, { name, inputShapes, outputShapes }) => {
    if (/MatMul$/.test(name)) {
      const inside = (inputShapes[0] as number[]).at(-1)!
      return sum + inside * tf.util.sizeFromShape(outputShapes[0] as number[])
    }
    if (!/Conv2D|DepthwiseConv2dNative/.test(name)) return sum
    const [, , inChannels, last] = inputShapes[1] as number[]
    const [kernelHeight, kernelWidth] = inputShapes[1] as number[]
    const [batch, height, width, outChannels] = outputShapes[0] as number[]
    const perOutput = name.includes('Depthwise')
      ? kernelHeight! * kernelWidth!
      : kernelHeight! * kernelWidth! * inChannels!
    expect(outChannels).toBe(name.includes('Depthwise') ? inChannels! * last! : last)
    return sum + batch! * height! * width! * outChannels! * perOutput
  }, 0)
}

/**
 * What every student must pass, whatever it is made of. `build` makes a new one with the seed it is given; keep it small,
 * since the gradients run in plain JavaScript.
 */
export const testStudent = (name: string, build: (seed: number) => Student): void => {
  const withStudent = async (work: (student: Student) => unknown): Promise<void> => {
    const before = tf.memory().numTensors
    const student = build(1)
    try {
      await work(student)
    } finally {
      student.dispose()
      student.dispose()
    }
    expect(tf.memory().numTensors).toBe(before)
  }

  test(`${name}: gives an image of the input's size in [0, 1]`, () =>
    withStudent(student => {
      const inputs = randomInputs(student, 1)
      const { height, width } = student.spec.input
      expect(student.model.outputs.map(({ shape }) => shape)).toEqual([[null, height, width, 3]])
      const values = predict(student, inputs)
      expect(values).toHaveLength(height * width * 3)
      const margin = student.spec.headActivation === 'linear' ? 0.5 : 1e-6
      expect(values.every(value => value >= -margin && value <= 1 + margin)).toBe(true)
      tf.dispose(inputs)
    }))

  test(`${name}: strength 0 gives the image back, and the other parameters have their effect`, () =>
    withStudent(student => {
      const { parameters } = student.spec
      if (parameters.length === 0) return
      randomise(student)
      const image = randomImage(student, 1)
      const answer = (changes: Record<string, number>): number[] => {
        const values = tf.tensor2d([parameters.map(({ name, max }) => changes[name] ?? max)])
        const output = predict(student, [image, values])
        values.dispose()
        return output
      }
      for (const { name, min } of parameters) expect(answer({ [name]: min }), name).not.toEqual(answer({}))
      const strength = parameters.find(({ name, min }) => name === 'strength' && min === 0)
      if (strength) expect(answer({ strength: 0 })).toEqual([...image.dataSync()])
      image.dispose()
    }))

  test(`${name}: training reaches every weight, and the moving statistics`, () =>
    withStudent(student => {
      // Two pictures, since one alone has no variance where the features are a single pixel. Of two, normalised ones can
      // have a mean of exactly 0 there, as at the start, so mean and variance of a layer are looked at together.
      const inputs = randomInputs(student, 1, 2)
      const target = randomImage(student, 2, 2)
      const statistics = () =>
        student.model.layers
          .filter(layer => layer.getClassName() === 'BatchNormalization')
          .map(layer => layer.nonTrainableWeights.map(weight => weight.read().dataSync().join()).join())
      const before = statistics()
      const { value, grads } = tf.variableGrads(() => {
        const output = student.model.apply(inputs, { training: true }) as tf.Tensor
        return tf.mean(tf.square(tf.sub(output, target))) as tf.Scalar
      })
      expect(Object.keys(grads).sort()).toEqual(student.model.trainableWeights.map(weight => weight.name).sort())
      for (const [weight, gradient] of Object.entries(grads)) {
        expect(gradient.dataSync().every(Number.isFinite), weight).toBe(true)
      }
      const changed = statistics().filter((text, i) => text !== before[i]).length
      expect(changed).toBe(before.length)
      tf.dispose([inputs, target, value, grads])
    }))

  test(`${name}: the seed decides the weights, and only the weights`, () =>
    withStudent(student => {
      const weights = (other: Student) => {
        const values = other.model.weights.map(weight => [weight.originalName, weight.read().dataSync().join()])
        expect(other.specHash).toBe(student.specHash)
        other.dispose()
        return values
      }
      const mine = student.model.weights.map(weight => [weight.originalName, weight.read().dataSync().join()])
      expect(weights(build(1))).toEqual(mine)
      expect(weights(build(2))).not.toEqual(mine)
    }))

  test(`${name}: a spec rebuilds it, in any order of keys`, () =>
    withStudent(student => {
      const reversed = (value: unknown): unknown =>
        typeof value === 'object' && value !== null && !Array.isArray(value)
          ? Object.fromEntries(
              Object.entries(value)
                .reverse()
                .map(([key, member]) => [key, reversed(member)]),
            )
          : value
      const again = studentFromSpec(reversed(JSON.parse(JSON.stringify(student.spec))), { seed: 1 })
      expect(again.spec).toEqual(student.spec)
      expect(again.specHash).toBe(student.specHash)
      expect(studentSpecHash(again.spec)).toBe(student.specHash)
      const inputs = randomInputs(student, 1)
      expect(predict(again, inputs)).toEqual(predict(student, inputs))
      tf.dispose(inputs)
      again.dispose()
    }))

  test(`${name}: comes back from the disk as it was`, () =>
    withStudent(async student => {
      const folder = await mkdtemp(join(tmpdir(), 'student-'))
      try {
        await saveStudent(student, folder)
        const loaded = await loadStudent(folder)
        const inputs = randomInputs(student, 1)
        expect(loaded.specHash).toBe(student.specHash)
        expect(predict(loaded, inputs)).toEqual(predict(student, inputs))
        tf.dispose(inputs)
        loaded.dispose()
      } finally {
        await rm(folder, { recursive: true })
      }
    }))

  test(`${name}: costs what it is said to cost`, () =>
    withStudent(async student => {
      const report = cost(student.model)
      const inputs = randomInputs(student, 1)
      expect(report.macs).toBe(await executedMacs(student, inputs))
      expect(report.parameters).toBe(student.model.countParams())
      tf.dispose(inputs)
    }))

  test(`${name}: its JSON holds standard Keras layers under unique names, and nothing of the process`, () =>
    withStudent(student => {
      const json = student.model.toJSON() as unknown as string
      const { layers } = JSON.parse(json).config as { layers: { name: string; class_name: string }[] }
      expect(new Set(layers.map(layer => layer.name)).size).toBe(layers.length)
      for (const layer of layers) expect(kerasLayers).toContain(layer.class_name)
      const again = build(1)
      expect(again.model.toJSON()).toBe(json)
      again.dispose()
    }))
}
