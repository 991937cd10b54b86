import { startBackend } from '@fx/backend/browser'
import * as tf from '@tensorflow/tfjs-core'
import * as tfl from '@tensorflow/tfjs-layers'

/** What a page does that knows tfjs only: the video's pixels through the layers, and the answer to a canvas by `toPixels`. */
export const openNaive = async (
  track: MediaStreamTrack,
  canvas: HTMLCanvasElement,
  model: string,
  threads: number,
): Promise<{ video: HTMLVideoElement; frame(): Promise<number> }> => {
  await startBackend('wasm', { threads, wasmPaths: '/wasm/' })
  const student = await tfl.loadLayersModel(model)
  const { width, height } = canvas
  const video = Object.assign(document.createElement('video'), { muted: true, srcObject: new MediaStream([track]) })

  const answer = (): tf.Tensor3D =>
    tf.tidy(() => {
      const frame = tf.browser.fromPixels(video)
      const [rows, columns] = frame.shape
      const side = Math.min(rows, columns)
      const square = tf.slice(frame, [(rows - side) / 2, (columns - side) / 2, 0], [side, side, 3])
      const input = tf.div(tf.image.resizeBilinear(square, [height, width]), 255)
      return tf.squeeze(student.predict(tf.expandDims(input, 0)) as tf.Tensor, [0])
    })

  return {
    /** Costs nothing while it is paused. */
    video,
    /** Waits for a frame of the video, and tells how long it took from there to the painted canvas, ms. */
    frame: async () => {
      await new Promise(resolve => video.requestVideoFrameCallback(resolve))
      const start = performance.now()
      const picture = answer()
      await tf.browser.toPixels(picture, canvas)
      picture.dispose()
      return performance.now() - start
    },
  }
}
