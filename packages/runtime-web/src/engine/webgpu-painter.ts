import * as tf from '@tensorflow/tfjs-core'
import type { Painter } from './gpu-surface.js'

/** The part of tfjs's WebGPU backend that is used here. */
export interface WebgpuBackend {
  device: {
    lost: Promise<{ message: string }>
    addEventListener(type: 'uncapturederror', listener: (event: { error: { message: string } }) => void): void
    queue: { onSubmittedWorkDone(): Promise<void> }
  }
}

/** Draws by tfjs's own kernel, which multiplies by alpha. */
export const webgpuPainter = ({ device }: WebgpuBackend, width: number, height: number): Painter => {
  const canvas = new OffscreenCanvas(width, height)
  let why: string | undefined
  void device.lost.then(({ message }) => {
    why ??= message || 'the device was lost'
  })
  // A shader that does not compile and memory that runs out are told here, and nowhere else.
  device.addEventListener('uncapturederror', ({ error }) => {
    why ??= error.message
  })
  return {
    paint: image => {
      tf.browser.draw(image, canvas as unknown as HTMLCanvasElement)
      return canvas
    },
    done: () => device.queue.onSubmittedWorkDone(),
    lost: () => why,
    dispose: () => {},
  }
}
