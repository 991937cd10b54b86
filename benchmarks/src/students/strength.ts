import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DistillConfig, distill, type OnProgress } from '@fx/distill'
import { l1 } from '@fx/losses'
import { effectStrength, psnr } from '@fx/losses/metrics'
import { portraitEffects, portraits } from '@fx/teacher-adapters/portraits'
import { type UnetStudentOptions, unetStudent } from '@fx/unet-student'
import * as tf from '@tensorflow/tfjs-core'
import { csvOf, machine, tableOf } from '../output.js'

export const STRENGTH = 'student-strength'

/** The strengths that a student is asked for after training. */
const asked = [0, 0.25, 0.5, 0.75, 1]

/** Far from the seeds of the training, which begin at 0. */
const firstHeldOut = 30_000_000

const effect = portraitEffects['hair-colour']

export interface StrengthOptions {
  /** Side of the images, pixels. */
  size: number
  pairs: number
  steps: number
  batchSize: number
  /** Held-out pictures, each asked for at every strength. */
  heldOut: number
  student?: Omit<UnetStudentOptions, 'inputSize' | 'parameters' | 'seed'>
  onProgress?: OnProgress
}

/** How well a student does what it is asked for at one strength. */
export interface StrengthRow {
  strength: number
  /** The change that it makes, projected on that of full strength: what `strength` should be. */
  measured: number
  /** Of its output against the picture that the teacher draws at this strength, dB, at most 100. */
  psnrToTarget: number
  /** Of its output against its input, dB, at most 100. */
  psnrToInput: number
}

const images = (data: readonly Uint8Array[], size: number): tf.Tensor4D =>
  tf.tidy(() => tf.div(tf.stack(data.map(each => tf.tensor3d(Float32Array.from(each), [size, size, 3]))), 255))

/** The portraits of some seeds as they are, and as the teacher draws them at one strength. */
const drawn = async (size: number, count: number, strength: number) => {
  const seeds = Array.from({ length: count }, (_, i) => firstHeldOut + i)
  const pairs = []
  for await (const pair of portraits().pairs({ effect, size, seeds, parameters: { strength } })) pairs.push(pair)
  return {
    input: images(
      pairs.map(({ input }) => input.data),
      size,
    ),
    target: images(
      pairs.map(({ target }) => target.data),
      size,
    ),
  }
}

/**
 * Trains a student that takes the strength of the effect as its second input, on drawn portraits of random strengths, and
 * asks it for five strengths on portraits of other seeds.
 */
export const followStrength = async (options: StrengthOptions): Promise<StrengthRow[]> => {
  const { size, pairs, steps, batchSize, heldOut } = options
  const out = await mkdtemp(join(tmpdir(), 'fx-strength-'))
  const config: DistillConfig = {
    out,
    backend: 'wasm',
    size,
    effect,
    teacher: () => portraits(),
    student: ({ seed, effect: { parameters } }) =>
      unetStudent({ ...options.student, inputSize: size, parameters, seed }),
    pairs: { train: pairs, heldOut: 8, parameters: 'sampled' },
    training: { steps, batchSize, learningRate: 8e-3, changedRegionWeight: 4, loss: l1(), evaluateEvery: 0 },
  }
  try {
    const { student } = await distill(config, { onProgress: options.onProgress })
    const full = await drawn(size, heldOut, 1)
    const rows: StrengthRow[] = []
    for (const strength of asked) {
      const { input, target } = await drawn(size, heldOut, strength)
      const output = tf.tidy(() =>
        tf.clipByValue(student.model.predict([input, tf.fill([heldOut, 1], strength)]) as tf.Tensor4D, 0, 1),
      )
      const [measured, toTarget, toInput] = [effectStrength(), psnr(), psnr()]
      await measured.add({ output, input, target: full.target })
      await toTarget.add({ output, target })
      await toInput.add({ output, target: input })
      rows.push({
        strength,
        measured: measured.result().value,
        psnrToTarget: toTarget.result().value,
        psnrToInput: toInput.result().value,
      })
      tf.dispose([input, target, output])
    }
    tf.dispose(full)
    student.dispose?.()
    return rows
  } finally {
    await rm(out, { recursive: true })
  }
}

/** Trains and measures at 64 pixels, prints a table, and returns the CSV. */
export const measureStrength = async (): Promise<string> => {
  console.log('\nA student with a strength: what it is asked for, and what it does on portraits that it has not seen')
  const options = { size: 64, pairs: 2000, steps: 800, batchSize: 8, heldOut: 64 }
  const rows = await followStrength({ ...options, student: { preset: 'small' } })
  const figures = rows.map(row => [
    row.strength.toString(),
    row.measured.toFixed(3),
    row.psnrToTarget.toFixed(2),
    row.psnrToInput.toFixed(2),
  ])
  console.log(tableOf(['asked', 'measured', 'PSNR to target', 'PSNR to input'], figures))
  return csvOf(
    'preset,size,pairs,steps,batch,held_out,strength,measured,psnr_to_target_db,psnr_to_input_db,node,cpu',
    figures.map(row => [
      'small',
      options.size,
      options.pairs,
      options.steps,
      options.batchSize,
      options.heldOut,
      ...row,
      ...machine(),
    ]),
  )
}
