import { FxError } from '@fx/core'

export type Canvas = HTMLCanvasElement | OffscreenCanvas

/** Shows pictures of a canvas's size on it, and closes them. */
export type Painter = (picture: ImageBitmap) => void

const shared2d = (canvas: Canvas): Painter | undefined => {
  const context = canvas.getContext('2d') as CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D | null
  if (context === null) return undefined
  return picture => {
    context.save()
    context.resetTransform()
    context.globalAlpha = 1
    context.globalCompositeOperation = 'copy'
    // The canvas may have been resized since the picture was begun.
    context.drawImage(picture, 0, 0, canvas.width, canvas.height)
    context.restore()
    picture.close()
  }
}

const handedOver = (canvas: Canvas): Painter | undefined => {
  const context = canvas.getContext('bitmaprenderer') as ImageBitmapRenderingContext | null
  // Takes the picture itself: no copy, nothing for this thread to draw.
  return context === null ? undefined : picture => context.transferFromImageBitmap(picture)
}

/**
 * Paints a canvas: with the context that it has, '2d' or 'bitmaprenderer', else with a new one.
 *
 * @param prefer the new one: 'bitmaprenderer' costs the page next to nothing, '2d' lets the caller go on drawing.
 * @throws FxError `invalid-argument` for a canvas with another context.
 */
export const createPainter = (canvas: Canvas, prefer: '2d' | 'bitmaprenderer'): Painter => {
  const kinds = prefer === '2d' ? [shared2d, handedOver] : [handedOver, shared2d]
  for (const open of kinds) {
    const painter = open(canvas)
    if (painter !== undefined) return painter
  }
  throw new FxError('invalid-argument', "The canvas has another context, allowed are '2d' and 'bitmaprenderer'")
}
