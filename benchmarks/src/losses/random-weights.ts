import { seededRandom } from '@fx/core'
import type { TorchvisionNet, WeightsSource } from '@fx/losses/perceptual'

type Shape = readonly number[]

/** `[out, in, k, k]` kernels with their biases, by module. */
const kernels = (list: readonly (readonly [module: string, from: number, to: number, side: number])[]) =>
  list.flatMap(([module, from, to, side]): [string, Shape][] => [
    [`features.${module}.weight`, [to, from, side, side]],
    [`features.${module}.bias`, [to]],
  ])

const fire = (index: number, from: number, squeeze: number, expand: number) =>
  kernels([
    [`${index}.squeeze`, from, squeeze, 1],
    [`${index}.expand1x1`, squeeze, expand, 1],
    [`${index}.expand3x3`, squeeze, expand, 3],
  ])

const trunks: Record<TorchvisionNet, [string, Shape][]> = {
  alex: kernels([
    ['0', 3, 64, 11],
    ['3', 64, 192, 5],
    ['6', 192, 384, 3],
    ['8', 384, 256, 3],
    ['10', 256, 256, 3],
  ]),
  vgg: kernels(
    [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512].map((to, i, widths) => [
      String([0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28][i]),
      widths[i - 1] ?? 3,
      to,
      3,
    ]),
  ),
  squeeze: [
    ...kernels([['0', 3, 64, 3]]),
    ...fire(3, 64, 16, 64),
    ...fire(4, 128, 16, 64),
    ...fire(6, 128, 32, 128),
    ...fire(7, 256, 32, 128),
    ...fire(9, 256, 48, 192),
    ...fire(10, 384, 48, 192),
    ...fire(11, 384, 64, 256),
    ...fire(12, 512, 64, 256),
  ],
}

const headWidths: Record<TorchvisionNet, number[]> = {
  alex: [64, 192, 384, 256, 256],
  vgg: [64, 128, 256, 512, 512],
  squeeze: [64, 128, 256, 384, 384, 512, 512],
}

/** Values of variance 2 / fan-in, so that signals neither fade nor explode; positive for heads and weights of features. */
const drawn = (tensors: readonly (readonly [string, Shape])[], positive = false): WeightsSource => ({
  tensors: new Map(
    tensors.map(([name, shape]) => {
      const size = shape.reduce((a, b) => a * b)
      const random = seededRandom('random-weights', name)
      const deviation = Math.sqrt((2 * shape[0]!) / size)
      const draw = () => (positive ? random.uniform() : deviation * random.normal())
      return [
        name,
        { dtype: 'float32', shape: [...shape], load: async () => Float32Array.from({ length: size }, draw) },
      ]
    }),
  ),
})

/** A trunk in torchvision's layout whose weights are noise: it costs what the trained one costs. */
export const randomTrunk = (net: TorchvisionNet): WeightsSource => drawn(trunks[net])

export const randomHeads = (net: TorchvisionNet): WeightsSource =>
  drawn(
    headWidths[net].map((width, layer) => [`lin${layer}.model.1.weight`, [1, width, 1, 1]] as const),
    true,
  )

export const randomDistsWeights = (): WeightsSource =>
  drawn(
    [
      ['alpha', [1, 1475, 1, 1]],
      ['beta', [1, 1475, 1, 1]],
    ],
    true,
  )
