import { FxError, type SeededRandom, seededRandom } from '@fx/core'
import type { TeacherAdapter } from '@fx/teacher-adapters'
import * as tf from '@tensorflow/tfjs-core'
import type { ResolvedConfig, Student } from '../config/types.js'

/** Everything that decides a run's weights, as plain JSON. A run resumes only under the fingerprint it began with. */
export interface Fingerprint {
  [member: string]: unknown
  /** Values of the loss on fixed images: a loss is a function, and this tells two of them apart. */
  lossProbe: number[]
}

const randomImage = (random: SeededRandom, size: number): tf.Tensor4D =>
  tf.tensor4d(Float32Array.from({ length: size * size * 3 }, random.uniform), [1, size, size, 3])

const probeLoss = async ({ training, size }: ResolvedConfig): Promise<number[]> => {
  const steps = [0, Math.floor(training.steps / 2), training.steps - 1]
  const values = tf.tidy(() => {
    const random = seededRandom('loss-probe')
    const [prediction, target] = [randomImage(random, size), randomImage(random, size)]
    return steps.map(step => training.loss.evaluate(prediction, target, { step, input: prediction }).total)
  })
  try {
    return await Promise.all(values.map(async value => (await value.data())[0]!))
  } finally {
    tf.dispose(values)
  }
}

export const fingerprintOf = async (
  config: ResolvedConfig,
  student: Student,
  teacher: TeacherAdapter,
): Promise<Fingerprint> => {
  const { seed, size, effect, pairs, training } = config
  // How often a run looks at itself does not change its weights.
  const { loss, checkpointEvery, evaluateEvery, logEvery, ...numbers } = training
  const { train, heldOut, parameters, changedThreshold } = pairs
  return {
    seed,
    size,
    effect,
    student: student.specHash,
    teacher: { id: teacher.id, version: teacher.version },
    pairs: { train, heldOut, parameters, changedThreshold },
    training: { ...numbers, loss: [...loss.names] },
    lossProbe: await probeLoss(config),
  }
}

const flatten = (value: unknown, path = ''): [string, unknown][] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([name, member]) => flatten(member, path ? `${path}.${name}` : name))
    : [[path, value]]

const same = (a: unknown, b: unknown): boolean =>
  // Backends round differently, so numbers of the loss probe need not be equal to the last bit.
  typeof a === 'number' && typeof b === 'number'
    ? Math.abs(a - b) <= 1e-4 * Math.max(Math.abs(a), Math.abs(b))
    : a === b

/**
 * Refuses to go on with a run that began under another fingerprint.
 *
 * @throws FxError `resume-mismatch` naming what differs.
 */
export const checkFingerprint = (saved: Fingerprint, now: Fingerprint, folder: string): void => {
  const [before, after] = [new Map(flatten(saved)), new Map(flatten(now))]
  const differences = [...new Set([...before.keys(), ...after.keys()])]
    .filter(path => !same(before.get(path), after.get(path)))
    .map(path =>
      path.startsWith('lossProbe')
        ? 'the weights or options of training.loss'
        : `${path}: ${JSON.stringify(before.get(path)) ?? 'absent'} -> ${JSON.stringify(after.get(path)) ?? 'absent'}`,
    )
  if (differences.length === 0) return
  throw new FxError(
    'resume-mismatch',
    `The run in ${folder} was started with another config (${[...new Set(differences)].slice(0, 6).join('; ')}). ` +
      'Put the config back, choose another out folder, or start over with --fresh',
    { details: { differences } },
  )
}
