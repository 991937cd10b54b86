import { FxError, shown } from '@fx/core'
import type { Checkpoint } from '@fx/weights'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import { type Architecture, architectureOf, describeArchitecture, isEncoderLayer, stemOf } from './architecture.js'
import { adaptChannels, foldNormalization, type Kernel } from './first-kernel.js'
import { kerasLayers } from './keras-names.js'
import { type Layer, type Match, matchWeights, shapesOf, type Values, weightNames } from './match.js'
import type { InputNormalization } from './normalization.js'
import { type EncoderWeightsReport, makeReport } from './report.js'
import { isTimm, timmLayers } from './timm-names.js'

export interface LoadEncoderWeightsOptions {
  /**
   * Load what fits by name and shape and leave the rest as it is, in place of refusing a checkpoint that lacks something.
   * Weights of another family or width are refused all the same. Default false.
   */
  partial?: boolean
  /**
   * Adapt the first convolution to an encoder with another number of input channels, as timm does: summed up for one
   * channel, repeated and scaled for more. Default false.
   */
  adaptInputChannels?: boolean
  /**
   * What the weights were shown, when the encoder is shown images in [0, 1]: it goes into the first convolution and its
   * batch normalisation. Exact except where the first convolution's window reaches beyond the image, and exact there as
   * well when the mean is 0; `normalizeInput` is exact everywhere. Default: the encoder is shown what the weights were.
   */
  foldNormalization?: InputNormalization
}

/** Refuses weights of another family, width or depth in words. */
const checkArchitecture = (stored: Architecture | undefined, own: Architecture, partial: boolean): void => {
  if (!stored) {
    throw new FxError(
      'unsupported',
      'The checkpoint is no MobileNet that is known: its names are neither those of MobileNet, MobileNetV2 and MobileNetV3 in keras.applications nor those of mobilenetv1 to mobilenetv4 in timm',
    )
  }
  const alike = stored.generation === own.generation
  const whole = stored.blocks === own.blocks
  // A part of a network says little of its width: then it goes by the shapes.
  if (!alike || (whole ? stored.channels !== own.channels : !partial)) {
    throw new FxError(
      'shape-mismatch',
      `These are the weights of a ${describeArchitecture(stored)}; this encoder is a ${describeArchitecture(own)}`,
      { details: { found: { ...stored }, expected: { ...own } } },
    )
  }
}

const flag = (name: 'partial' | 'adaptInputChannels', value: unknown): boolean => {
  if (value !== undefined && typeof value !== 'boolean')
    throw new FxError('invalid-argument', `${name} is ${shown(value)}; it must be true or false`)
  return value ?? false
}

/** The batch normalisation behind the first convolution. */
const behind = (stem: Layer): Layer => stem.outboundNodes[0]!.outboundLayer

/** Folds the normalisation into the first kernel, and adapts that to the encoder's input channels. */
const adaptStem = (stem: Layer, match: Match, normalization: InputNormalization | undefined): string[] => {
  const values = match.values.get(stem)
  const mean = match.values.get(behind(stem))?.get('moving_mean')
  const stored = values?.get('kernel')
  if (values === undefined || stored === undefined || mean === undefined) {
    if (normalization === undefined) return []
    throw new FxError('not-found', `foldNormalization needs the checkpoint's ${stem.name} and its batch normalisation`)
  }
  const shape = stem.weights[0]!.shape.map(Number) as unknown as Kernel['shape']
  let kernel: Kernel = { shape: (match.firstShape ?? shape) as Kernel['shape'], values: stored }
  const done: string[] = []
  if (normalization !== undefined) {
    const folded = foldNormalization(kernel, normalization)
    kernel = folded.kernel
    folded.shift.forEach((value, channel) => {
      mean[channel]! += value
    })
    done.push(
      folded.shift.some(value => value !== 0)
        ? `The input normalization is folded into ${stem.name}: exact but at the border of the image.`
        : `The input's scale is folded into ${stem.name}: exact.`,
    )
  }
  if (match.firstShape !== undefined) {
    done.push(`${stem.name} is adapted from ${kernel.shape[2]} to ${shape[2]} input channels.`)
    kernel = adaptChannels(kernel, shape[2])
  }
  values.set('kernel', kernel.values)
  return done
}

/** The batch normalisations of the parallel branches beside convolutions that were loaded. */
const branchesBeside = (model: LayersModel, values: Values): Layer[] => {
  const names = new Set([...values.keys()].map(({ name }) => name))
  return model.layers.filter(layer => {
    const [, main] = /^(.+)_branch_(?:\d+|1x1|identity)_BN$/.exec(layer.name) ?? []
    return main !== undefined && names.has(main)
  })
}

const write = (values: Values, silenced: readonly Layer[]): void =>
  tf.tidy(() => {
    for (const [layer, elements] of values) {
      weightNames(layer).forEach((name, i) => {
        const weight = layer.weights[i]!
        const own = elements.get(name)
        if (own) weight.write(tf.tensor(own, weight.shape.map(Number)))
      })
    }
    for (const weight of silenced.flatMap(layer => layer.trainableWeights))
      weight.write(tf.zeros(weight.shape.map(Number)))
  })

/** What shapes cannot tell: the constants that the weights were trained with. */
const notesOf = (timm: boolean, stem: Layer, folded: number): string[] => {
  const epsilon = behind(stem).getConfig().epsilon as number
  if (folded > 0)
    return [
      'the checkpoint has its batch normalisations folded, so that their statistics are unknown: they are mean 0 and variance 1, right in inference. Before a training, calibrateBatchNorm gives them those of your images.',
    ]
  if (timm && epsilon > 1e-4)
    return [
      `timm's own weights want convention 'timm' (epsilon 1e-5, symmetric padding), those that it has from TensorFlow (tf_...) want this encoder's epsilon, ${epsilon}.`,
    ]
  return !timm && epsilon < 1e-4 ? [`Keras's weights want epsilon 1e-3; this encoder has ${epsilon}.`] : []
}

/**
 * Gives an encoder pretrained weights: those of keras.applications (MobileNet, MobileNetV2, MobileNetV3) or of timm
 * (mobilenetv1 to mobilenetv4), of a whole classifier or the encoder alone, from any checkpoint that `@fx/weights` opens.
 * Kernels are laid out as tfjs has them. All weights are set, or none.
 *
 * With `branches` the pretrained convolution is the first branch, and scale and offset of the others become 0, so that the
 * features are the pretrained ones.
 *
 * @param model any model with the encoder's layers under their own names: the features alone, or a whole student.
 * @param checkpoint stays open, and its owner's to close.
 * @throws FxError `shape-mismatch` for weights of another family, width or depth, naming both, or a weight of another
 * shape; `not-found` for a weight that the checkpoint lacks; `unsupported` when it is no such network; `corrupt-file`
 * when its data are missing or not finite; `invalid-argument` for a model without an encoder or a wrong option. The model
 * is then as it was.
 */
export const loadEncoderWeights = async (
  model: LayersModel,
  checkpoint: Pick<Checkpoint, 'tensors'>,
  options: LoadEncoderWeightsOptions = {},
): Promise<EncoderWeightsReport> => {
  const partial = flag('partial', options.partial)
  const adaptInputChannels = flag('adaptInputChannels', options.adaptInputChannels)
  const shapes = shapesOf(model)
  const own = architectureOf(shapes)
  if (!own)
    throw new FxError(
      'invalid-argument',
      'The model has no layers with the names that mobilenetEncoder gives to its own',
    )
  const timm = isTimm(checkpoint.tensors)
  const stored = timm ? timmLayers(checkpoint.tensors) : kerasLayers(checkpoint.tensors)
  checkArchitecture(architectureOf(stored), own, partial)

  const inEncoder = isEncoderLayer(shapes)
  const encoder = model.layers.filter(layer => layer.weights.length > 0 && inEncoder(layer.name))
  const stem = model.getLayer(stemOf(shapes)!)
  const match = await matchWeights(encoder, stem.name, stored, { partial, adaptInputChannels })
  const adapted = adaptStem(stem, match, options.foldNormalization)
  const silenced = branchesBeside(model, match.values)
  if (silenced.length > 0) adapted.push(`${silenced.length} parallel branches begin with scale and offset 0.`)
  write(match.values, silenced)

  return makeReport(describeArchitecture(own), {
    loaded: [...match.values].flatMap(([layer, values]) => [...values.keys()].map(weight => `${layer.name}/${weight}`)),
    missing: match.missing,
    unused: [...stored.values()]
      .flatMap(weights => [...weights.values()])
      .filter(weight => !match.used.has(weight))
      .map(({ source }) => source),
    adapted,
    notes: notesOf(timm, stem, match.folded),
  })
}
