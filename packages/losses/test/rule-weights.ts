import { readFileSync } from 'node:fs'
import type { WeightTensor } from '@fx/weights'
import type { TorchvisionNet, WeightsSource } from '../src/perceptual.js'

type Shapes = [name: string, shape: number[]][]

/** Weights in memory that look like those of an open checkpoint. */
export const weightsOf = (tensors: Record<string, { shape: number[]; data: Float32Array }>): WeightsSource => ({
  tensors: new Map(
    Object.entries(tensors).map(([name, { shape, data }]): [string, WeightTensor] => [
      name,
      { dtype: 'float32', shape, load: async () => data.slice() },
    ]),
  ),
})

/** The generator of the goldens: numbers in [-1, 1). */
const generator = (seed: number) => {
  let state = seed
  return (): number => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0
    return (2 * Math.floor(state / 256)) / 2 ** 24 - 1
  }
}

/** Weights of convolutions by the goldens' rule: of variance 2 / fan-in, so that signals neither fade nor explode. */
const ruleTensors = (shapes: Shapes, seed: number) => {
  const next = generator(seed)
  return Object.fromEntries(
    shapes.map(([name, shape]) => {
      const size = shape.reduce((a, b) => a * b)
      const scale = shape.length === 1 ? 0.25 : Math.sqrt(6 / (size / shape[0]!))
      return [name, { shape, data: Float32Array.from({ length: size }, () => next() * scale) }]
    }),
  )
}

const rule = JSON.parse(
  readFileSync(new URL('../fixtures/lpips_squeeze.trunk_rule.json', import.meta.url), 'utf8'),
) as { seed: number; tensors: Shapes; check: { name: string; first: number[]; sum: number }[] }

const convolutions = (list: [index: number, from: number, to: number, size: number][]): Shapes =>
  list.flatMap(
    ([index, from, to, size]): Shapes => [
      [`features.${index}.weight`, [to, from, size, size]],
      [`features.${index}.bias`, [to]],
    ],
  )
const shapes: Record<TorchvisionNet, Shapes> = {
  squeeze: rule.tensors,
  alex: convolutions(
    [
      ...([
        [0, 3, 64, 11],
        [3, 64, 192, 5],
        [6, 192, 384, 3],
      ] as const),
      ...([
        [8, 384, 256, 3],
        [10, 256, 256, 3],
      ] as const),
    ].map(layer => [...layer] as [number, number, number, number]),
  ),
  vgg: convolutions(
    [
      ...([
        [0, 3, 64, 3],
        [2, 64, 64, 3],
        [5, 64, 128, 3],
        [7, 128, 128, 3],
        [10, 128, 256, 3],
      ] as const),
      ...([
        [12, 256, 256, 3],
        [14, 256, 256, 3],
        [17, 256, 512, 3],
        [19, 512, 512, 3],
      ] as const),
      ...([
        [21, 512, 512, 3],
        [24, 512, 512, 3],
        [26, 512, 512, 3],
        [28, 512, 512, 3],
      ] as const),
    ].map(layer => [...layer] as [number, number, number, number]),
  ),
}
const channels: Record<TorchvisionNet, number[]> = {
  squeeze: [64, 128, 256, 384, 384, 512, 512],
  alex: [64, 192, 384, 256, 256],
  vgg: [64, 128, 256, 512, 512],
}

export const trunkTensors = (net: TorchvisionNet) => ruleTensors(shapes[net], rule.seed)

/** The goldens' check values of SqueezeNet's weights. */
export const ruleChecks = rule.check

/** Linear heads by the goldens' rule. */
export const headTensors = (net: TorchvisionNet) => {
  const next = generator(777)
  return Object.fromEntries(
    channels[net].map((size, layer) => [
      `lin${layer}.model.1.weight`,
      { shape: [1, size, 1, 1], data: Float32Array.from({ length: size }, () => Math.abs(next()) * 0.5) },
    ]),
  )
}

/** DISTS's weights by the same generator. */
export const distsTensors = () => {
  const next = generator(778)
  const values = () => Float32Array.from({ length: 1475 }, () => Math.abs(next()))
  return {
    alpha: { shape: [1, 1475, 1, 1], data: values() },
    beta: { shape: [1, 1475, 1, 1], data: values() },
  }
}
