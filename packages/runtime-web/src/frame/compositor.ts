import { FxError } from '@fx/core'
import { type CropBox, type Matrix, patchToFrame } from './crop.js'
import { featherMask } from './feather.js'
import type { Frame, Size } from './frame.js'

/** How the output looks. */
interface Layout extends Size {
  /** From frame pixels to the output's. */
  view: Matrix
  /** Left of this part of the width, 0 to 1, the frame is shown as it is, and a hairline between. */
  split: number | undefined
  /** How much of the effect is laid over the frame, 0 to 1. */
  mix: number
}

/** Puts an output together: `begin`, any number of patches, `finish`. */
export interface Compositor {
  /** @param covered whether one opaque patch will cover everything, so that the frame need not be drawn. */
  begin(frame: Frame, frameSize: Size, layout: Layout, covered: boolean): void
  /** @param feathered whether the patch's edge fades into the frame. */
  patch(picture: OffscreenCanvas, box: CropBox, feathered: boolean): void
  finish(): ImageBitmap
}

const context2d = (size: Size, settings: CanvasRenderingContext2DSettings = {}): OffscreenCanvasRenderingContext2D => {
  const context = new OffscreenCanvas(size.width, size.height).getContext('2d', settings)
  if (context === null) throw new FxError('unsupported', 'This browser has no 2D context for OffscreenCanvas')
  return context
}

export const createCompositor = (): Compositor => {
  const output = context2d({ width: 1, height: 1 }, { alpha: false })
  const faded = new Map<string, { context: OffscreenCanvasRenderingContext2D; mask: OffscreenCanvas }>()
  let layout: Layout

  /** The patch with a fading edge, on a canvas that is kept for its size. */
  const fade = (picture: OffscreenCanvas): OffscreenCanvas => {
    const key = `${picture.width}x${picture.height}`
    let kept = faded.get(key)
    if (kept === undefined) {
      kept = { context: context2d(picture), mask: featherMask(picture) }
      faded.set(key, kept)
    }
    const { context, mask } = kept
    context.globalCompositeOperation = 'copy'
    context.drawImage(picture, 0, 0)
    context.globalCompositeOperation = 'destination-in'
    context.drawImage(mask, 0, 0)
    return context.canvas
  }

  /** @param enlarged how much larger than its pixels a picture already is in the frame. */
  const place = (view: Matrix, enlarged: number): void => {
    // Enlarging, both are bilinear, but Chromium takes four times as long for 'medium'.
    output.imageSmoothingQuality = view[3] * enlarged >= 1 ? 'low' : 'medium'
    output.setTransform(...view)
  }

  const splitAt = (): number => Math.round((layout.split ?? 0) * layout.width)

  return {
    begin: (frame, frameSize, next, covered) => {
      layout = next
      const { canvas } = output
      // Setting a canvas's size, to the same even, makes it anew.
      if (canvas.width !== layout.width) canvas.width = layout.width
      if (canvas.height !== layout.height) canvas.height = layout.height
      output.resetTransform()
      if (covered && layout.split === undefined && layout.mix === 1) return
      place(layout.view, 1)
      output.drawImage(frame, 0, 0, frameSize.width, frameSize.height)
    },
    patch: (picture, box, feathered) => {
      const { width, height } = picture
      const shown = feathered ? fade(picture) : picture
      output.save()
      output.resetTransform()
      output.beginPath()
      output.rect(splitAt(), 0, layout.width, layout.height)
      output.clip()
      place(layout.view, Math.min(box.width / width, box.height / height))
      output.transform(...patchToFrame(box, { width, height }))
      output.globalAlpha = layout.mix
      output.drawImage(shown, 0, 0)
      output.restore()
    },
    finish: () => {
      if (layout.split !== undefined) {
        const width = Math.max(1, Math.round(layout.width / 320))
        output.resetTransform()
        output.fillStyle = 'rgb(255 255 255 / 0.85)'
        output.fillRect(splitAt() - Math.floor(width / 2), 0, width, layout.height)
      }
      return output.canvas.transferToImageBitmap()
    },
  }
}
