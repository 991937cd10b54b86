import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepareBackend } from '@fx/backend'
import { adaptiveRobust, type Loss, type LossTerm, l1, warmUp, weighted } from '@fx/losses'
import { adversarial, featureMatching, patchDiscriminator } from '@fx/losses/adversarial'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, expect, test } from 'vitest'
import { type DistillConfig, distill } from '../src/index.js'
import { readCheckpoint } from '../src/training/checkpoint.js'
import type { TrainingState } from '../src/training/train.js'
import { pixelCritic } from './fixtures/critic.js'
import { tinyConfig } from './fixtures/tiny.js'

beforeAll(() => prepareBackend({ backend: 'cpu' }))

const folder = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'fx-parts-')), 'run')

const lossOf = (...more: LossTerm[]) => weighted([{ name: 'l1', loss: l1() }, ...more])
const everything = () =>
  lossOf(
    { name: 'adaptive', loss: adaptiveRobust() },
    { name: 'critic', loss: pixelCritic(), weight: 0.5, balance: true, schedule: warmUp(2, 3) },
  )

const configOf = (out: string, loss = everything(), change: Partial<DistillConfig['training']> = {}): DistillConfig => {
  const { training, ...rest } = tinyConfig(out)
  return { ...rest, training: { ...training, loss, ...change } }
}

/** Runs a config to its end or to a step, and reads the checkpoint it left. */
const runOut = async (config: DistillConfig, stopAt?: number) => {
  const controller = new AbortController()
  const run = distill(config, {
    signal: controller.signal,
    onProgress: event => {
      if (event.type === 'progress' && event.phase === 'training' && event.done === stopAt) controller.abort()
    },
  })
  if (stopAt === undefined) (await run).student.model.dispose()
  else await expect(run).rejects.toMatchObject({ code: 'aborted' })
  return (await readCheckpoint<TrainingState>(join(config.out, 'checkpoint.safetensors')))!
}

test('what a loss has to learn is found, trained and kept, and nothing of it is left behind', async () => {
  const out = await folder()
  const before = tf.memory().numTensors
  const { tensors } = await runOut(configOf(out))
  expect(tf.memory().numTensors).toBe(before)
  const learned = Object.keys(tensors).filter(name => name.startsWith('loss/'))
  expect(learned).toEqual(['loss/adaptive/alpha', 'loss/adaptive/scale', 'loss/critic/kernel', 'loss/critic/bias'])
  // The start of each, after which it must have moved; the adversary rested for its first four steps of twelve.
  expect(tensors['loss/adaptive/scale']!.some(value => value !== 0)).toBe(true)
  expect(tensors['loss/critic/kernel']![0]).not.toBeCloseTo(0.1, 6)
  expect(tensors['adversary-adam/step']).toEqual(Float32Array.of(8))
  expect(tensors['loss-adam/step']).toEqual(Float32Array.of(12))

  const { history } = JSON.parse(await readFile(join(out, 'run.json'), 'utf8'))
  expect(history.curve.map(({ scores }: { scores: object }) => Object.keys(scores))).toEqual([
    [],
    ['loss', 'critic/real', 'critic/fake'],
    ['loss', 'critic/real', 'critic/fake'],
    ['loss', 'critic/real', 'critic/fake'],
  ])
  expect(await readFile(join(out, 'report.html'), 'utf8')).toContain('Scores by the adversary')
})

test('a run that was stopped and resumed is the unbroken run, parts of the loss included', async () => {
  const unbroken = await runOut(configOf(await folder()))
  const out = await folder()
  // Once while the adversary rests, once while it works; and with new objects each time, as a new process has.
  await runOut(configOf(out), 3)
  await runOut(configOf(out), 7)
  const resumed = await runOut(configOf(out))
  expect(resumed.tensors).toEqual(unbroken.tensors)
  expect(resumed.state.history).toEqual(unbroken.state.history)
})

test('a conditional discriminator with R1 and feature matching resumes exactly, too', async () => {
  const gan = () => {
    const discriminator = patchDiscriminator({ filters: 2, layers: 1, norm: 'none', inputChannels: 3 })
    const penalised = adversarial(discriminator, { gradientPenalty: { kind: 'r1', every: 4 } })
    return lossOf(
      { name: 'adversarial', loss: penalised, weight: 0.5, balance: true },
      { name: 'features', loss: featureMatching(discriminator), weight: 0.5, balance: true },
    )
  }
  const unbroken = await runOut(configOf(await folder(), gan()))
  const out = await folder()
  await runOut(configOf(out, gan()), 5)
  const resumed = await runOut(configOf(out, gan()))
  expect(resumed.tensors).toEqual(unbroken.tensors)
  expect(Object.keys(resumed.tensors).filter(name => name.startsWith('loss/'))).toHaveLength(6)
  expect(Object.keys(resumed.state.history.curve[0]!.scores)).toContain('adversarial/penalty')
})

test('an adversary learns against the student, and partners with it', async () => {
  const started = pixelCritic()
  const at = {
    config: configOf(await folder(), lossOf({ name: 'critic', loss: started }), { adversaryLearningRate: 0.05 }),
  }
  const { state } = await runOut(at.config)
  const { curve } = state.history
  const gap = ({ scores }: (typeof curve)[number]) => scores['critic/real']! - scores['critic/fake']!
  expect(gap(curve.at(-1)!)).toBeGreaterThan(gap(curve[0]!))
  expect(Object.keys(curve[0]!.terms)).toEqual(['l1', 'critic'])
})

test('rates of their own change the run, and a change of them is noticed when it is resumed', async () => {
  const out = await folder()
  const usual = await runOut(configOf(out))
  for (const change of [{ lossLearningRate: 0.02 }, { adversaryLearningRate: 1e-3 }]) {
    const other = await runOut(configOf(await folder(), everything(), change))
    expect(other.tensors['loss/adaptive/scale']).not.toEqual(usual.tensors['loss/adaptive/scale'])
    await expect(distill(configOf(out, everything(), change))).rejects.toThrow(new RegExp(Object.keys(change)[0]!))
  }
})

test('an adversary that is no longer finite stops the run and leaves the checkpoint', async () => {
  const out = await folder()
  const critic = pixelCritic()
  let judged = 0
  const broken = Object.assign(((...args) => critic(...args)) as Loss, {
    ...critic,
    judge: (...[prediction, target]: Parameters<typeof critic.judge>) => {
      const { total, scores } = critic.judge(prediction, target)
      return { total: ++judged > 5 ? tf.mul<tf.Scalar>(total, Number.NaN) : total, scores }
    },
  })
  const before = tf.memory().numTensors
  const attempt = distill(configOf(out, lossOf({ name: 'critic', loss: broken })))
  await expect(attempt).rejects.toMatchObject({ code: 'not-finite', message: /adversary.*step 6/ })
  expect(tf.memory().numTensors).toBe(before)
  expect((await readCheckpoint<TrainingState>(join(out, 'checkpoint.safetensors')))!.state.step).toBe(4)
})
