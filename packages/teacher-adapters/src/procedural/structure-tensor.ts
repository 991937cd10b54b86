import { blurPlane } from './planes.js'

/** Which way the edges of a picture run, at each of its pixels. */
export interface Flow {
  /** Cosine and sine of the direction along which colours change least. */
  cos: Float32Array
  sin: Float32Array
  /** 0 where no direction differs from the others, 1 along a straight edge. */
  anisotropy: Float32Array
}

/**
 * The local orientation of a picture: eigenvectors and eigenvalues of the structure tensor of its three channels, of Sobel
 * gradients, smoothed by a Gaussian. Source: Kyprianidis, Kang and Döllner, "Image and Video Abstraction by Anisotropic
 * Kuwahara Filtering" (2009), section 3.1.
 *
 * @param data HWC, RGB.
 * @param sigma of the Gaussian, pixels.
 */
export const edgeFlow = (data: ArrayLike<number>, width: number, height: number, sigma: number): Flow => {
  const size = width * height
  const [xx, xy, yy] = [new Float32Array(size), new Float32Array(size), new Float32Array(size)]
  for (let y = 0; y < height; y++) {
    const rows = [Math.max(0, y - 1) * width, y * width, Math.min(height - 1, y + 1) * width] as const
    for (let x = 0; x < width; x++) {
      const [left, right] = [Math.max(0, x - 1), Math.min(width - 1, x + 1)]
      let [a, b, c] = [0, 0, 0]
      for (let channel = 0; channel < 3; channel++) {
        const at = (row: 0 | 1 | 2, column: number): number => data[(rows[row] + column) * 3 + channel]!
        const gx = at(0, right) + 2 * at(1, right) + at(2, right) - at(0, left) - 2 * at(1, left) - at(2, left)
        const gy = at(2, left) + 2 * at(2, x) + at(2, right) - at(0, left) - 2 * at(0, x) - at(0, right)
        a += gx * gx
        b += gx * gy
        c += gy * gy
      }
      const i = rows[1] + x
      xx[i] = a
      xy[i] = b
      yy[i] = c
    }
  }
  for (const plane of [xx, xy, yy]) blurPlane(plane, width, height, sigma)

  const flow = { cos: new Float32Array(size), sin: new Float32Array(size), anisotropy: new Float32Array(size) }
  for (let i = 0; i < size; i++) {
    const [a, b, c] = [xx[i]!, xy[i]!, yy[i]!]
    const spread = Math.sqrt((a - c) ** 2 + 4 * b * b)
    // The eigenvector of the smaller eigenvalue, by whichever of its two formulas does not cancel out.
    const [x, y] = a > c ? [-2 * b, a - c + spread] : [c - a + spread, -2 * b]
    const length = Math.sqrt(x * x + y * y)
    flow.cos[i] = length > 0 ? x / length : 1
    flow.sin[i] = length > 0 ? y / length : 0
    flow.anisotropy[i] = a + c > 0 ? Math.min(1, spread / (a + c)) : 0
  }
  return flow
}
