import type { Size } from '../frame/frame.js'

/** More pixels than these cost time, and a page seldom shows them. */
const longestSide = 1280

/** The size of a canvas that shows a picture. */
const fitted = ({ width, height }: Size): Size => {
  const scale = Math.min(1, longestSide / Math.max(width, height))
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) }
}

/** Gives a canvas the size of what is played on it. */
export const createFitting = (canvas: HTMLCanvasElement) => {
  let fitting = false
  const resize = async (size: Size): Promise<void> => {
    fitting = true
    try {
      // A canvas that gets another size loses its picture; it keeps this one until the next.
      const context = canvas.getContext('bitmaprenderer')
      const picture = context && (await createImageBitmap(canvas))
      Object.assign(canvas, size)
      if (picture) context.transferFromImageBitmap(picture)
    } finally {
      fitting = false
    }
  }
  return {
    /** Takes the size of a picture that was painted. @returns whether the canvas had it. */
    fit: (picture: Size): boolean => {
      const size = fitted(picture)
      const fits = canvas.width === size.width && canvas.height === size.height
      if (!fits && !fitting) void resize(size)
      return fits
    },
  }
}
