import * as tf from '@tensorflow/tfjs-core'

interface Fixture {
  shape: number[]
  data: Float32Array
}

/** A torch convolution kernel `[out, in, h, w]` as tfjs has it, `[h, w, in, out]`. */
export const hwio = ({ shape, data }: Fixture): Float32Array =>
  tf.tidy(() => tf.transpose(tf.tensor(data, shape), [2, 3, 1, 0]).dataSync().slice()) as Float32Array

/** An image batch of tfjs in torch's order. */
export const nchw = (images: tf.Tensor): tf.Tensor => tf.transpose(images, [0, 3, 1, 2])

/** Images of the references, in [-1, 1], as this package has them, `[N, H, W, C]` in [0, 1]. */
export const unitImages = ({ shape, data }: Fixture): tf.Tensor4D =>
  tf.tidy(() => tf.div(tf.add(tf.transpose(tf.tensor(data, shape), [0, 2, 3, 1]), 1), 2))

/** Variables of a multi-scale discriminator from pix2pixHD's, whose last network is the one of the full size. */
export const pix2pixHdVariables = (fixture: Record<string, Fixture>): Record<string, Float32Array> =>
  Object.fromEntries(
    [0, 1].flatMap(scale =>
      [0, 1, 2, 3, 4].flatMap((layer): [string, Float32Array][] => {
        const from = `D.scale${1 - scale}_layer${layer}.0`
        const to = `scale${scale}.conv${layer}`
        const kernel: [string, Float32Array] = [`${to}.kernel`, hwio(fixture[`${from}.weight`]!)]
        // The offsets before an instance norm have no effect.
        return layer === 0 || layer === 4 ? [kernel, [`${to}.offset`, fixture[`${from}.bias`]!.data]] : [kernel]
      }),
    ),
  )
