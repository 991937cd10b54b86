import { adam } from '@fx/backend/training'
import { seededRandom } from '@fx/core'
import { type DirectionEdit, directionEdit, type Generator } from '@fx/teacher-adapters/stylegan2'
import * as tf from '@tensorflow/tfjs-core'
import { ATTRIBUTES, type Attribute } from './attributes.js'
import type { Probe } from './probe.js'

export interface RefineOptions {
  /** Rows of W+ before this one stay: those of the coarse blocks, which decide on shapes. */
  fromRow: number
  steps: number
  batchSize: number
  psi: number
  learningRate: number
  /** The logit of the attribute beyond which the probe is sure enough. */
  margin: number
  /** Weight of keeping the other attributes as the probe reads them. */
  keep: number
  /** The mean absolute change that the effect needs, of images in [-1, 1]: what goes beyond is not the effect. */
  expectedChange: number
  /** Weight of the change of the image relative to that. */
  image: number
  onStep?: (step: number, loss: number) => void
}

/** A linear prediction in W, and the value of it that an edit leads to. */
export interface Start {
  direction: Float32Array
  normal: Float32Array
  intercept: number
  score: number
}

/**
 * Refines an edit by gradient descent. The linear prediction says how far each face is from the level; the descent finds
 * the level and the way there, a vector for every row of W+, so that the probe sees the attribute afterwards and all others
 * as before, and the image changes little.
 */
export const refineEdit = async (
  generator: Generator,
  probe: Probe,
  id: Attribute,
  start: Start,
  { steps, batchSize, psi, learningRate, margin, keep, image, expectedChange, fromRow, onStep }: RefineOptions,
): Promise<DirectionEdit> => {
  const { numWs, config } = generator
  const { wDim } = config
  const index = ATTRIBUTES.indexOf(id)
  const others = tf.tensor2d([ATTRIBUTES.map((_, i) => (i === index ? 0 : 1))])
  const everyRow = (vector: Float32Array, scale: number, from = 0): Float32Array =>
    Float32Array.from({ length: numWs * wDim }, (_, i) => (i < from * wDim ? 0 : vector[i % wDim]! * scale))
  const mask = tf.tensor3d(everyRow(new Float32Array(wDim).fill(1), 1, fromRow), [1, numWs, wDim])
  // The score of a face whose rows are all w is the score of w.
  const normals = everyRow(start.normal, 1 / numWs)
  const normal = tf.tensor3d(normals, [1, numWs, wDim])
  const direction = tf.variable(tf.tensor3d(everyRow(start.direction, 1, fromRow), [1, numWs, wDim]))
  const score = tf.variable(tf.scalar(start.score))
  const variables = [direction, score as tf.Variable]
  const optimizer = adam({ beta2: 0.99 })
  const state = optimizer.init(variables)
  try {
    for (let step = 0; step < steps; step++) {
      const random = seededRandom('refine', id, step)
      const seeds = Array.from({ length: batchSize }, () => `refine ${id} ${random.integer(1e9)}`)
      const { value, grads } = tf.tidy(() => {
        const w = generator.truncate(generator.mapping(generator.latents(seeds)), { psi })
        const reached = tf.add(tf.sum(tf.mul(w, normal), [1, 2], true), start.intercept)
        const before = generator.synthesis(w)
        const reading = tf.sigmoid(probe.logits(before))
        return tf.variableGrads(() => {
          const way = tf.mul(direction, mask)
          const amount = tf.div(tf.sub(score, reached), tf.sum(tf.mul(way, normal)))
          const after = generator.synthesis(tf.add<tf.Tensor3D>(w, tf.mul(amount, way)))
          const logits = probe.logits(after)
          const change = tf.mean(tf.softplus(tf.sub(margin, tf.slice(logits, [0, index], [-1, 1]))))
          const apart = tf.sum(tf.mul(tf.square(tf.sub(tf.sigmoid(logits), reading)), others), 1)
          const moved = tf.mean(tf.abs(tf.sub(after, before)))
          return tf.addN([change, tf.mul(tf.mean(apart), keep), tf.mul(moved, image / expectedChange)]) as tf.Scalar
        }, variables)
      })
      const rate = learningRate * (0.5 + 0.5 * Math.cos((Math.PI * step) / steps))
      optimizer.update(
        state,
        variables.map(variable => grads[variable.name]!),
        { learningRate: rate },
      )
      onStep?.(step, (await value.data())[0]!)
      tf.dispose([value, grads as never])
    }
    return directionEdit({
      id,
      space: 'w+',
      direction: (await direction.data<'float32'>()).slice(),
      level: { normal: normals, intercept: start.intercept, score: (await score.data())[0]! },
    })
  } finally {
    tf.dispose([...variables, others, normal, mask])
    state.dispose()
  }
}
