/** One face that a detector found. */
export interface Face {
  /** x, y pairs of MediaPipe's face mesh, 468 points or 478 with the irises, in pixels of the frame. */
  landmarks: Float32Array
}

/** Finds faces in frames. `faceMesh` of `@fx/runtime-web/face-mesh` is one. */
export interface FaceDetector {
  /**
   * The faces of a frame, none when there is none. The frame stays the caller's. Calls are answered in order.
   *
   * @param timeMs of the frame; grows from call to call.
   */
  detect(
    frame: HTMLVideoElement | ImageBitmap | VideoFrame | HTMLCanvasElement | OffscreenCanvas,
    timeMs: number,
  ): Promise<readonly Face[]>
  dispose(): void
}
