import type { RgbImage } from '../contract/types.js'

/**
 * Images of one size side by side, row by row; places without an image stay black.
 *
 * @param columns images in a row.
 */
export const imageGrid = (images: readonly RgbImage[], columns: number): RgbImage => {
  const { width: side, height: tall } = images[0]!
  const width = columns * side
  const height = Math.ceil(images.length / columns) * tall
  const data = new Uint8Array(width * height * 3)
  images.forEach((image, place) => {
    const left = (place % columns) * side
    const top = Math.floor(place / columns) * tall
    for (let y = 0; y < tall; y++) {
      data.set(image.data.subarray(y * side * 3, (y + 1) * side * 3), ((top + y) * width + left) * 3)
    }
  })
  return { width, height, data }
}
