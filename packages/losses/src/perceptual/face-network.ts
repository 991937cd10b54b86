import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { FeatureExtractor } from './extractor.js'
import { convolveFrozen } from './frozen.js'
import { ownTensors } from './parameters.js'

/** A tfjs graph model at rest: its JSON and the bytes of its weights. */
export interface GraphModelFiles {
  json: unknown
  weights: Uint8Array
}

interface Block {
  from: number
  to: number
  stride: 1 | 2
}
const block = (from: number, to: number, stride: 1 | 2 = 1): Block => ({ from, to, stride })

/** MobileNetV1 1.0: blocks of a depthwise and a pointwise convolution. */
const blocks: Block[] = [
  ...[block(32, 64), block(64, 128, 2), block(128, 128), block(128, 256, 2), block(256, 256), block(256, 512, 2)],
  ...[block(512, 512), block(512, 512), block(512, 512), block(512, 512), block(512, 512), block(512, 1024, 2)],
  block(1024, 1024),
]
/** Blocks after which the picture is halved, or that are the last. */
const taps = blocks.flatMap((_, at) => (blocks[at + 1]?.stride === 1 ? [] : [at]))

const expectedShapes = (): Map<string, number[]> => {
  const shapes = new Map<string, number[]>()
  shapes.set('conv1/convolution/merged_input', [3, 3, 3, 32])
  shapes.set('conv1_bn/batchnorm_1/sub', [32])
  blocks.forEach(({ from, to }, at) => {
    shapes.set(`conv_dw_${at + 1}/depthwise_kernel`, [3, 3, from, 1])
    shapes.set(`conv_dw_${at + 1}_bn/batchnorm_1/mul`, [from])
    shapes.set(`conv_dw_${at + 1}_bn/batchnorm_1/sub`, [from])
    shapes.set(`conv_pw_${at + 1}/convolution/merged_input`, [1, 1, from, to])
    shapes.set(`conv_pw_${at + 1}_bn/batchnorm_1/sub`, [to])
  })
  return shapes
}

const bytesOf = ({ shape, dtype, quantization }: tf.io.WeightsManifestEntry): number => {
  const sizes: Record<string, number> = { float32: 4, int32: 4, float16: 2, uint16: 2, uint8: 1, bool: 1 }
  return shape.reduce((a, b) => a * b, 1) * (sizes[quantization?.dtype ?? dtype] ?? Number.NaN)
}

const manifestOf = (json: unknown): tf.io.WeightsManifestEntry[] => {
  const groups = (json as { weightsManifest?: { weights?: tf.io.WeightsManifestEntry[] }[] } | null)?.weightsManifest
  const entries = Array.isArray(groups) ? groups.flatMap(group => group?.weights ?? []) : []
  const sound = entries.every(entry => typeof entry?.name === 'string' && Array.isArray(entry.shape))
  if (entries.length > 0 && sound) return entries
  throw new FxError('corrupt-file', 'faceFeatures: faceres.json is not a tfjs graph model: it lists no weights')
}

/** The weights of the file by name, among them all that the trunk needs. */
const decode = ({ json, weights }: GraphModelFiles): tf.NamedTensorMap => {
  const entries = manifestOf(json)
  const expected = expectedShapes()
  const shapes = new Map(entries.map(({ name, shape }) => [name, shape]))
  for (const [name, shape] of expected) {
    const got = shapes.get(name)
    if (!got) throw new FxError('not-found', `faceFeatures: the face network lacks ${name}; faceres is wanted`)
    if (String(got) !== String(shape)) {
      throw new FxError(
        'shape-mismatch',
        `faceFeatures: ${name} must be [${shape.join(', ')}], got [${got.join(', ')}]`,
      )
    }
  }
  const bytes = entries.reduce((sum, entry) => sum + bytesOf(entry), 0)
  if (bytes !== weights.byteLength) {
    throw new FxError('corrupt-file', `faceFeatures: faceres.bin must have ${bytes} bytes, got ${weights.byteLength}`)
  }
  return tf.io.decodeWeights(Uint8Array.from(weights).buffer, entries)
}

/**
 * The trunk of the face network `faceres`, after the stages of 1/2, 1/4, 1/8, 1/16 and 1/32 of the picture. Batch
 * normalisation is folded as in the file: into the pointwise kernels, and a factor after the depthwise ones.
 */
export const faceNetwork = (files: GraphModelFiles): FeatureExtractor => {
  const owned = ownTensors('faceFeatures', () => {
    const decoded = decode(files)
    const get = <T extends tf.Tensor>(name: string): T => decoded[name] as T
    return {
      first: {
        kernel: get<tf.Tensor4D>('conv1/convolution/merged_input'),
        bias: get<tf.Tensor1D>('conv1_bn/batchnorm_1/sub'),
      },
      blocks: blocks.map((_, at) => ({
        depthwise: {
          kernel: tf.mul<tf.Tensor4D>(
            get(`conv_dw_${at + 1}/depthwise_kernel`),
            tf.reshape(get(`conv_dw_${at + 1}_bn/batchnorm_1/mul`), [1, 1, -1, 1]),
          ),
          bias: get<tf.Tensor1D>(`conv_dw_${at + 1}_bn/batchnorm_1/sub`),
        },
        pointwise: {
          kernel: get<tf.Tensor4D>(`conv_pw_${at + 1}/convolution/merged_input`),
          bias: get<tf.Tensor1D>(`conv_pw_${at + 1}_bn/batchnorm_1/sub`),
        },
      })),
    }
  })
  return {
    name: 'uncalibrated-face',
    channels: taps.map(at => blocks[at]!.to),
    smallestSide: 1,
    features: images =>
      tf.tidy(() => {
        const { first, blocks: parameters } = owned.use()
        const shared = { activation: 'relu6', pad: 'same' } as const
        const pixels = tf.mul<tf.Tensor4D>(images, 255)
        let x = convolveFrozen(pixels, { ...first, ...shared, stride: 2 })
        return parameters.flatMap(({ depthwise, pointwise }, at) => {
          const seen = convolveFrozen(x, { ...depthwise, ...shared, stride: blocks[at]!.stride, depthwise: true })
          x = convolveFrozen(seen, { ...pointwise, ...shared })
          return taps.includes(at) ? [x] : []
        })
      }),
    dispose: owned.dispose,
  }
}
