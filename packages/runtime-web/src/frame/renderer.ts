import { type EffectBundleManifest, FxError } from '@fx/core'
import { disposedError } from '../engine/types.js'
import { createCompositor } from './compositor.js'
import { type CropBox, drawCrop, fixedCrop } from './crop.js'
import { type Frame, type Size, sizeOf } from './frame.js'
import type { EngineReport, Students } from './students.js'
import { shownPart, viewMatrix } from './view.js'

/** How a frame is to be rendered. */
export interface Look {
  /** The effect's parameters, in the order of its spec. */
  values: readonly number[]
  /** Of the output, pixels. */
  output: Size
  mirror: boolean
  /** Left of this part of the width, 0 to 1, the frame is shown as it is. */
  split: number | undefined
  /** How much of the effect is laid over the frame, 0 to 1. */
  mix: number
  /** Where the student is applied; none where there are no faces. Default: the crop that the bundle names. */
  crops: readonly CropBox[] | undefined
  /** Which of the bundle's students: an index into `studentSizes`. */
  size: number
}

/** Times of a frame's stages, ms. */
interface RenderTimes {
  crop: number
  student: number
  composite: number
}

export interface Rendered {
  /** Of the output's size, opaque. */
  picture: ImageBitmap
  times: RenderTimes
  engine: EngineReport
}

/** A student's own pixels. */
export interface RunResult extends Size {
  /** RGBA, straight alpha; opaque where the student has 3 channels. */
  pixels: Uint8ClampedArray<ArrayBuffer>
  engine: EngineReport
}

/**
 * Runs the frames of one effect: in this thread, or in a worker behind the same face. Frames are answered in the order in
 * which they came, and each is closed.
 */
export interface Renderer {
  run(frame: Frame, values: readonly number[]): Promise<RunResult>
  render(frame: Frame, look: Look): Promise<Rendered>
  /** Opens a smaller student, to be named by `look.size`. Each `open` is matched by a `close`. */
  open(size: number): Promise<void>
  close(size: number): void
  dispose(): void
}

/** A clock for the stages: each call gives the ms since the last. */
const createLap = (): (() => number) => {
  let last = performance.now()
  return () => {
    const now = performance.now()
    const ms = now - last
    last = now
    return ms
  }
}

const shownSize = (frame: Frame): Size => {
  const size = sizeOf(frame)
  if (size.width === 0 || size.height === 0) {
    throw new FxError('invalid-argument', `The source is ${size.width}x${size.height}: it has no picture`)
  }
  return size
}

export const createRenderer = ({ crop, output }: EffectBundleManifest, students: Students): Renderer => {
  const compositor = createCompositor()
  const hasAlpha = output.channels === 4
  let disposed = false
  let last: Promise<unknown> = Promise.resolve()

  /** One after the other; closes the frame. */
  const inTurn = <Result>(frame: Frame, task: () => Promise<Result>): Promise<Result> => {
    const result = last
      .then(() => {
        if (disposed) throw disposedError()
        return task()
      })
      .finally(() => frame.close())
    last = result.catch(() => {})
    return result
  }

  const run = async (frame: Frame, values: readonly number[]): Promise<RunResult> => {
    const frameSize = shownSize(frame)
    const box = fixedCrop(crop, frameSize)
    const picture = await students.run(0, input => drawCrop(input, frame, frameSize, box), values)
    const { width, height } = picture
    const { data } = picture.getContext('2d')!.getImageData(0, 0, width, height)
    return { width, height, pixels: data, engine: students.report() }
  }

  const render = async (frame: Frame, look: Look): Promise<Rendered> => {
    const frameSize = shownSize(frame)
    const times: RenderTimes = { crop: 0, student: 0, composite: 0 }
    const boxes = look.crops ?? [fixedCrop(crop, frameSize)]
    const part = shownPart(crop, frameSize)
    const { split, mix } = look
    const layout = { ...look.output, view: viewMatrix(part, look.output, look.mirror), split, mix }
    const lap = createLap()
    compositor.begin(frame, frameSize, layout, crop !== 'face' && !hasAlpha)
    times.composite += lap()
    for (const box of boxes) {
      const draw = (input: OffscreenCanvasRenderingContext2D): void => {
        lap()
        drawCrop(input, frame, frameSize, box)
        times.crop += lap()
      }
      const picture = await students.run(look.size, draw, look.values)
      times.student += lap()
      compositor.patch(picture, box, crop === 'face' && !hasAlpha)
      times.composite += lap()
    }
    const picture = compositor.finish()
    times.composite += lap()
    return { picture, times, engine: students.report() }
  }

  return {
    run: (frame, values) => inTurn(frame, () => run(frame, values)),
    render: (frame, look) => inTurn(frame, () => render(frame, look)),
    open: size => students.open(size),
    close: size => students.close(size),
    dispose: () => {
      disposed = true
      students.dispose()
    },
  }
}
