import type { trunkTensors } from './rule-weights.js'

/** A feature map in torch's order, `[C, H, W]`. */
export interface NaiveMap {
  channels: number
  height: number
  width: number
  values: Float64Array
}

type Weights = ReturnType<typeof trunkTensors>

const zeros = (channels: number, height: number, width: number): NaiveMap => ({
  channels,
  height,
  width,
  values: new Float64Array(channels * height * width),
})

const convolveRelu = (x: NaiveMap, weights: Weights, index: number, stride: number, pad: number): NaiveMap => {
  const { shape, data } = weights[`features.${index}.weight`]!
  const bias = weights[`features.${index}.bias`]!.data
  const [to, from, size] = shape as [number, number, number]
  const side = (length: number) => Math.floor((length + 2 * pad - size) / stride) + 1
  const y = zeros(to, side(x.height), side(x.width))
  let at = 0
  for (let o = 0; o < to; o++) {
    for (let row = 0; row < y.height; row++) {
      for (let column = 0; column < y.width; column++) {
        let sum = bias[o]!
        for (let i = 0; i < from; i++) {
          for (let dy = 0; dy < size; dy++) {
            const yy = row * stride + dy - pad
            if (yy < 0 || yy >= x.height) continue
            for (let dx = 0; dx < size; dx++) {
              const xx = column * stride + dx - pad
              if (xx < 0 || xx >= x.width) continue
              sum += data[((o * from + i) * size + dy) * size + dx]! * x.values[(i * x.height + yy) * x.width + xx]!
            }
          }
        }
        y.values[at++] = Math.max(0, sum)
      }
    }
  }
  return y
}

/** Folds windows with stride 2 into one value each. */
const pool = (x: NaiveMap, size: number, pad: number, fold: (values: number[][]) => number): NaiveMap => {
  const side = (length: number) => Math.floor((length + 2 * pad - size) / 2) + 1
  const y = zeros(x.channels, side(x.height), side(x.width))
  let at = 0
  for (let c = 0; c < x.channels; c++) {
    for (let row = 0; row < y.height; row++) {
      for (let column = 0; column < y.width; column++) {
        const value = (dy: number, dx: number): number => {
          const yy = row * 2 + dy - pad
          const xx = column * 2 + dx - pad
          return yy < 0 || xx < 0 || yy >= x.height || xx >= x.width ? 0 : x.values[(c * x.height + yy) * x.width + xx]!
        }
        const range = [...Array(size).keys()]
        y.values[at++] = fold(range.map(dy => range.map(dx => value(dy, dx))))
      }
    }
  }
  return y
}
const maxPool = (x: NaiveMap, size: number) => pool(x, size, 0, window => Math.max(...window.flat()))
const l2Pool = (x: NaiveMap) =>
  pool(x, 3, 1, window => {
    const line = [0.25, 0.5, 0.25]
    return Math.sqrt(
      window.reduce((sum, row, dy) => sum + row.reduce((s, v, dx) => s + line[dy]! * line[dx]! * v * v, 0), 1e-12),
    )
  })

/** `[H, W, 3]` in [0, 1] as a map. */
export const imageMap = (pixels: ArrayLike<number>, height: number, width: number): NaiveMap => {
  const map = zeros(3, height, width)
  for (let place = 0; place < height * width; place++)
    for (let c = 0; c < 3; c++) map.values[c * height * width + place] = pixels[place * 3 + c]!
  return map
}

const normalised = (x: NaiveMap): NaiveMap => ({
  ...x,
  values: x.values.map((value, at) => {
    const c = Math.floor(at / (x.height * x.width))
    return (value - [0.485, 0.456, 0.406][c]!) / [0.229, 0.224, 0.225][c]!
  }),
})

export const naiveAlex = (image: NaiveMap, weights: Weights): NaiveMap[] => {
  const one = convolveRelu(normalised(image), weights, 0, 4, 2)
  const two = convolveRelu(maxPool(one, 3), weights, 3, 1, 2)
  const three = convolveRelu(maxPool(two, 3), weights, 6, 1, 1)
  const four = convolveRelu(three, weights, 8, 1, 1)
  return [one, two, three, four, convolveRelu(four, weights, 10, 1, 1)]
}

/** VGG-16 with max pooling, or with DISTS's. */
export const naiveVgg = (image: NaiveMap, weights: Weights, pooling: 'max' | 'l2'): NaiveMap[] => {
  let x = normalised(image)
  const stages = [
    [0, 2],
    [5, 7],
    [10, 12, 14],
    [17, 19, 21],
    [24, 26, 28],
  ]
  return stages.map((stage, at) => {
    if (at > 0) x = pooling === 'max' ? maxPool(x, 2) : l2Pool(x)
    for (const index of stage) x = convolveRelu(x, weights, index, 1, 1)
    return x
  })
}
