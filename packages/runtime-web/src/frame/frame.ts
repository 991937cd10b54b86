/** One picture on its way through the pipeline. Whoever holds it closes it. */
export type Frame = VideoFrame | ImageBitmap

export interface Size {
  width: number
  height: number
}

/** The size at which a frame is shown, pixels. */
export const sizeOf = (frame: Frame): Size =>
  'displayWidth' in frame
    ? { width: frame.displayWidth, height: frame.displayHeight }
    : { width: frame.width, height: frame.height }
