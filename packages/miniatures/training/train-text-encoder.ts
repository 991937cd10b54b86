/**
 * Trains the miniature's text encoder, on text alone and before any image is seen, as Imagen's was: the mean of its hidden
 * states must tell all that a caption says, each hidden state the word that was there before it was masked. Writes the
 * weights and the tokenizer into the folder. From the root of the repository, a few minutes:
 *
 *   node --conditions=@fx/source --import tsx packages/miniatures/training/train-text-encoder.ts FOLDER
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { prepareBackend } from '@fx/backend'
import { adam, installTrainingKernels } from '@fx/backend/training'
import { seededRandom } from '@fx/core'
import { writeFileAtomic } from '@fx/core/node'
import { encodeT5, openTokenizer, randomT5Weights, readT5, t5Encoder } from '@fx/teacher-adapters/imagen'
import { openCheckpoint } from '@fx/weights'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-layers'
import { CLASSES, labelledCaption, MASK, PAD, TEXT_LENGTH, tokenizerJson, UNKNOWN, vocabulary } from './text-encoder.js'

const STEPS = 1200
const BATCH = 48
/** Captions of a batch, the first ones, that are read; words of the others are guessed. */
const READ = 40
const LEARNING_RATE = 3e-3
const HELD_OUT = 2000

const config = { vocabSize: vocabulary.length, dModel: 48, numLayers: 2, numHeads: 4, dFf: 96 }

const folder = process.argv[2]
if (!folder) throw new Error('Name the folder: packages/miniatures/weights')
await mkdir(folder, { recursive: true })

await prepareBackend({ backend: 'wasm', threads: 1 })
await installTrainingKernels()
const tokenizer = await openTokenizer(tokenizerJson())

/** Ids and mask of one length. */
const padded = (rows: readonly number[][]) => {
  const fill = (row: number[], value: number): number[] => [
    ...row,
    ...Array.from({ length: TEXT_LENGTH - row.length }, () => value),
  ]
  return {
    ids: rows.map(row => fill(row, PAD)),
    mask: rows.map(row =>
      fill(
        row.map(() => 1),
        0,
      ),
    ),
  }
}

// The first heads begin by looking at the words one and two before, and one behind: colours stand beside what has them.
const initial = randomT5Weights(config, 'imagen-portraits')
const { data: bias } = initial.get('encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight')!
for (const [head, bucket] of [1, 2, 17].entries()) bias[bucket * config.numHeads + head] = 5
const learning = t5Encoder({ config, weights: initial, trainable: true })
const classCount = CLASSES.reduce((a, b) => a + b)
const matrix = (name: string, inputs: number, outputs: number): tf.Variable<tf.Rank.R2> => {
  const values = tf.randomNormal<tf.Rank.R2>([inputs, outputs], 0, inputs ** -0.5, 'float32', outputs)
  return tf.variable(values, true, name)
}
const heads = [
  matrix('summary', config.dModel, 128),
  matrix('attributes', 128, classCount),
  matrix('words', config.dModel, vocabulary.length),
] as const

/** For every attribute the logits of its classes. The mean is over padding too, as in the UNet, which sees no mask. */
const attributeLogits = (hidden: tf.Tensor3D): tf.Tensor2D[] => {
  const mean = tf.mul(tf.mean<tf.Tensor2D>(hidden, 1), Math.sqrt(TEXT_LENGTH))
  const [summary, attributes] = heads
  return tf.split(tf.matMul(tf.relu(tf.matMul(mean, summary)), attributes), CLASSES, 1)
}

const crossEntropy = (logits: tf.Tensor2D, classes: readonly number[]): tf.Tensor1D => {
  const target = tf.cast(tf.oneHot([...classes], logits.shape[1]), 'float32')
  return tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), target), 1)) as tf.Tensor1D
}

const variables = [...learning.variables, ...heads] as tf.Variable[]
const optimizer = adam({ beta2: 0.99 })
const state = optimizer.init(variables)
const started = performance.now()
for (let step = 0; step < STEPS; step++) {
  const batch = Array.from({ length: BATCH }, (_, i) => labelledCaption(`train ${step * BATCH + i}`))
  const random = seededRandom('masked words', step)
  const rows = batch.map(({ caption }) => tokenizer.encode(caption))
  // A foreign word between those it knows should not disturb it.
  for (const row of rows) {
    if (row.length < TEXT_LENGTH && random.uniform() < 0.1) row.splice(random.integer(row.length), 0, UNKNOWN)
  }
  const { ids, mask } = padded(rows)
  const hiddenWords = ids.map((row, i) => row.map((_, j) => i >= READ && mask[i]![j] === 1 && random.uniform() < 0.15))
  const shown = ids.map((row, i) => row.map((id, j) => (hiddenWords[i]![j] && random.uniform() < 0.8 ? MASK : id)))
  const { value, grads } = tf.tidy(() =>
    tf.variableGrads(() => {
      const states = learning.encode(shown, mask)
      const read = attributeLogits(tf.slice(states, 0, READ))
      const labels = batch.slice(0, READ).map(({ classes }) => classes)
      const told = read.map((logits, i) =>
        tf.mean(
          crossEntropy(
            logits,
            labels.map(classes => classes[i]!),
          ),
        ),
      )
      const guesses = tf.matMul<tf.Tensor2D>(tf.reshape(states, [-1, config.dModel]), heads[2])
      const chosen = hiddenWords.flat().map(Number)
      const surprise = tf.mul(crossEntropy(guesses, ids.flat()), chosen)
      const guessed = tf.div(
        tf.sum(surprise),
        Math.max(
          1,
          chosen.reduce((a, b) => a + b),
        ),
      )
      return tf.add(tf.addN(told), tf.mul(0.5, guessed)) as tf.Scalar
    }, variables),
  )
  const warmUp = Math.min(1, (step + 1) / 100)
  const learningRate = LEARNING_RATE * warmUp * (0.5 + 0.5 * Math.cos((Math.PI * step) / STEPS))
  optimizer.update(
    state,
    variables.map(variable => grads[variable.name]!),
    { learningRate, clipNorm: 1 },
  )
  if (step % 100 === 99) {
    const seconds = ((performance.now() - started) / 1000).toFixed(0)
    console.warn(`step ${step + 1}: loss ${(await value.data())[0]!.toFixed(4)}, ${seconds} s`)
  }
  tf.dispose([value, grads as never])
}

// What ships is judged: the rounded weights.
const weights = await learning.weights()
const half = encodeT5({ config, weights, length: TEXT_LENGTH }, { dtype: 'float16' })
const encoder = t5Encoder(await readT5(await openCheckpoint(half)))
const right = CLASSES.map(() => 0)
for (let start = 0; start < HELD_OUT; start += 100) {
  const batch = Array.from({ length: 100 }, (_, i) => labelledCaption(`held out ${start + i}`))
  const { ids, mask } = padded(batch.map(({ caption }) => tokenizer.encode(caption)))
  const answers = tf.tidy(() =>
    attributeLogits(encoder.encode(ids, mask)).map(logits => tf.argMax(logits, 1).arraySync()),
  )
  for (const [i, { classes }] of batch.entries()) {
    classes.forEach((label, attribute) => {
      if ((answers[attribute] as number[])[i] === label) right[attribute]! += 1 / HELD_OUT
    })
  }
}
const accuracy = right.reduce((a, b) => a + b) / CLASSES.length
console.warn(`held out: ${(100 * accuracy).toFixed(2)} % of what captions say is read rightly`, right)

await writeFileAtomic(
  join(folder, 'imagen-portraits.text.safetensors'),
  encodeT5(
    { config, weights, length: TEXT_LENGTH },
    { dtype: 'float16', metadata: { licence: 'CC0-1.0', accuracy: accuracy.toFixed(4) } },
  ),
)
await writeFileAtomic(join(folder, 'imagen-portraits.tokenizer.json'), `${JSON.stringify(tokenizerJson(), null, 1)}\n`)
