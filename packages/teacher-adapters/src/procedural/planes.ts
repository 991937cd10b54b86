/** Sums of samples weighted by a Gaussian, along the rows and then along the columns; edges are repeated. In place. */
export const blurPlane = (plane: Float32Array, width: number, height: number, sigma: number): void => {
  const reach = Math.ceil(3 * sigma)
  if (reach < 1) return
  const kernel = Float64Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-((i - reach) ** 2) / (2 * sigma ** 2)),
  )
  const sum = kernel.reduce((total, value) => total + value, 0)
  const line = new Float64Array(Math.max(width, height))
  /** `length` values of the plane from `start` on, `step` apart. */
  const blurLine = (start: number, step: number, length: number): void => {
    for (let i = 0; i < length; i++) line[i] = plane[start + i * step]!
    for (let i = 0; i < length; i++) {
      let value = 0
      for (let k = -reach; k <= reach; k++) {
        value += kernel[k + reach]! * line[Math.min(length - 1, Math.max(0, i + k))]!
      }
      plane[start + i * step] = value / sum
    }
  }
  for (let y = 0; y < height; y++) blurLine(y * width, 1, width)
  for (let x = 0; x < width; x++) blurLine(x, width, height)
}
