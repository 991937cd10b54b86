import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { adam, exponentialMovingAverage, type SavedOptimizerState } from '../../src/training.js'

const shapes = [[3, 3, 4, 5], [7], []]

const variableOf = (make: () => tf.Tensor): tf.Variable => tf.tidy(() => tf.variable(make()))

const makeVariables = () => shapes.map((shape, i) => variableOf(() => tf.randomNormal(shape, 0, 1, 'float32', i + 1)))

const makeGradients = (step: number) =>
  shapes.map((shape, i) => tf.randomNormal(shape, 0, 3, 'float32', 10 * step + i + 1))

const valuesOf = (tensors: readonly tf.Tensor[]) => tensors.map(tensor => [...tensor.dataSync()])

const expectClose = (actual: number[][], expected: number[][], tolerance: number) => {
  actual.forEach((values, i) => {
    values.forEach((value, j) => {
      expect(Math.abs(value - expected[i]![j]!)).toBeLessThanOrEqual(tolerance)
    })
  })
}

const steps = (count: number, clipNorm?: number, saved?: SavedOptimizerState, variables = makeVariables()) => {
  const optimizer = adam()
  const state = optimizer.init(variables, saved)
  const norms: number[] = []
  for (let step = state.step; step < count; step++) {
    const gradients = makeGradients(step)
    norms.push(optimizer.update(state, gradients, { learningRate: 0.01, clipNorm }))
    tf.dispose(gradients)
  }
  return { variables, state, norms }
}

/** Holds on whichever backend is current. */
export const optimizers = (backend: string): void => {
  const withoutLeak = (name: string, run: () => void | Promise<void>) =>
    test(name, async () => {
      await tf.setBackend(backend)
      const before = tf.memory()
      await run()
      expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numDataBuffers: before.numDataBuffers })
    })

  withoutLeak("adam takes tfjs's own steps", () => {
    const { variables, state } = steps(5)
    const reference = makeVariables()
    const optimizer = tf.train.adam(0.01)
    for (let step = 0; step < 5; step++) {
      const gradients = makeGradients(step)
      optimizer.applyGradients(reference.map((variable, i) => ({ name: variable.name, tensor: gradients[i]! })))
      tf.dispose(gradients)
    }
    expect(state.step).toBe(5)
    expectClose(valuesOf(variables), valuesOf(reference), 1e-6)
    optimizer.dispose()
    state.dispose()
    tf.dispose([variables, reference])
  })

  withoutLeak('the norm is that of all gradients before clipping, and clipping scales them to it', () => {
    const gradients = makeGradients(0)
    const norm = Math.hypot(...valuesOf(gradients).flat())
    const clipped = steps(1, norm / 4)
    expect(clipped.norms[0]).toBeCloseTo(norm, 3)
    const reference = makeVariables()
    const optimizer = adam()
    const state = optimizer.init(reference)
    const quarter = gradients.map(gradient => tf.div(gradient, 4))
    optimizer.update(state, quarter, { learningRate: 0.01 })
    expectClose(valuesOf(clipped.variables), valuesOf(reference), 1e-6)
    clipped.state.dispose()
    state.dispose()
    tf.dispose([gradients, quarter, clipped.variables, reference])
  })

  withoutLeak('a restored state continues bit for bit', async () => {
    const unbroken = steps(6, 5)
    const first = steps(3, 5)
    const saved = await first.state.save()
    expect(saved.step).toBe(3)
    expect(Object.keys(saved.slots)).toEqual(['m/0', 'm/1', 'm/2', 'v/0', 'v/1', 'v/2'])
    const frozen = structuredClone(saved)
    const second = steps(6, 5, saved, first.variables)
    expect(valuesOf(second.variables)).toEqual(valuesOf(unbroken.variables))
    expect(saved).toEqual(frozen)
    for (const { state } of [unbroken, first, second]) state.dispose()
    tf.dispose([unbroken.variables, first.variables])
  })

  withoutLeak('tensors that share a variable’s data do not change with it', () => {
    const variables = makeVariables()
    const clones = variables.map(variable => variable.clone())
    const before = valuesOf(clones)
    const { state } = steps(2, undefined, undefined, variables)
    expect(valuesOf(clones)).toEqual(before)
    expect(valuesOf(variables)).not.toEqual(before)
    state.dispose()
    tf.dispose([variables, clones])
  })

  withoutLeak('bad input is named and changes nothing', async () => {
    const optimizer = adam()
    const variables = makeVariables()
    const state = optimizer.init(variables)
    const gradients = makeGradients(0)
    const before = valuesOf(variables)
    const code = (name: string) => expect.objectContaining({ code: name })
    expect(() => optimizer.update(state, gradients, { learningRate: Number.NaN })).toThrow(code('invalid-argument'))
    expect(() => optimizer.update(state, gradients, { learningRate: 1, clipNorm: 0 })).toThrow(/clipNorm/)
    expect(() => optimizer.update(state, gradients.slice(1), { learningRate: 1 })).toThrow(/2 gradients for 3/)
    const reversed = [...gradients].reverse()
    expect(() => optimizer.update(state, reversed, { learningRate: 1 })).toThrow(code('shape-mismatch'))
    expect(() => adam({ beta1: 1 })).toThrow(/beta1/)
    expect(() => adam({ epsilon: 0 })).toThrow(/epsilon/)
    expect(() => exponentialMovingAverage(1)).toThrow(/decay/)
    const saved = await state.save()
    delete saved.slots['v/1']
    expect(() => optimizer.init(variables, saved)).toThrow(code('resume-mismatch'))
    const notFinite = [tf.fill(shapes[0]!, Number.NaN), ...gradients.slice(1)]
    expect(optimizer.update(state, notFinite, { learningRate: 1 })).toBeNaN()
    expect(state.step).toBe(0)
    expect(valuesOf(variables)).toEqual(before)
    state.dispose()
    tf.dispose([variables, gradients, notFinite])
  })

  withoutLeak('a moving average follows, swaps in and out, and is saved', async () => {
    const average = exponentialMovingAverage(0.75, { warmup: false })
    const variable = variableOf(() => tf.tensor1d([0, 8, 16, 24, 32]))
    const state = average.init([variable])
    const next = tf.tensor1d([4, 4, 4, 4, 4])
    variable.assign(next)
    average.update(state)
    expect(valuesOf(state.averages)).toEqual([[1, 7, 13, 19, 25]])
    state.swap()
    expect(valuesOf([variable])).toEqual([[1, 7, 13, 19, 25]])
    state.swap()
    expect(valuesOf([variable])).toEqual([[4, 4, 4, 4, 4]])
    const saved = await state.save()
    const restored = average.init([variable], saved)
    average.update(state)
    average.update(restored)
    expect(restored.step).toBe(2)
    expect(valuesOf(restored.averages)).toEqual(valuesOf(state.averages))
    expect(valuesOf([next])).toEqual([[4, 4, 4, 4, 4]])
    state.dispose()
    restored.dispose()
    tf.dispose([variable, next])
  })

  withoutLeak('with warm-up the first averages are nearly the variables', () => {
    const average = exponentialMovingAverage(0.999)
    const variable = variableOf(() => tf.scalar(0))
    const state = average.init([variable])
    const one = tf.scalar(1)
    variable.assign(one)
    average.update(state)
    expect(state.averages[0]!.dataSync()[0]).toBeCloseTo(1 - 2 / 11, 6)
    state.dispose()
    tf.dispose([variable, one])
  })
}
