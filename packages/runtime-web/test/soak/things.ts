import * as tf from '@tensorflow/tfjs-core'

/** What lives in a thread. */
export interface Things {
  tensors: number
  textures: number
  /** Contexts of WebGL that were not lost. */
  contexts: number
  /** Frames of the camera that are not closed. */
  frames: number
}

/** Textures that nobody deleted, by context. */
const textures = new Map<WebGL2RenderingContext, Set<WebGLTexture>>()
const { createTexture, deleteTexture } = WebGL2RenderingContext.prototype

Object.assign(WebGL2RenderingContext.prototype, {
  createTexture(this: WebGL2RenderingContext) {
    const texture = createTexture.call(this)
    const known = textures.get(this) ?? new Set()
    textures.set(this, known.add(texture))
    return texture
  },
  deleteTexture(this: WebGL2RenderingContext, texture: WebGLTexture | null) {
    deleteTexture.call(this, texture)
    if (texture !== null) textures.get(this)?.delete(texture)
  },
})

let frames = 0
const { close } = VideoFrame.prototype

/** A frame came into this thread. */
export const noteFrame = (): void => {
  frames++
}

/** A frame leaves this thread, to another or for good; of one that has left already its format is null. */
export const noteFrameGone = (frame: VideoFrame): void => {
  if (frame.format !== null) frames--
}

VideoFrame.prototype.close = function (this: VideoFrame) {
  noteFrameGone(this)
  close.call(this)
}

const forgetLost = (): void => {
  for (const context of textures.keys()) if (context.isContextLost()) textures.delete(context)
}

/** What lives in this thread, whose garbage is collected. */
export const countThings = (): Things => {
  ;(globalThis as unknown as { gc(): void }).gc()
  forgetLost()
  return {
    tensors: tf.engine().state.numTensors,
    textures: [...textures.values()].reduce((sum, { size }) => sum + size, 0),
    contexts: textures.size,
    frames,
  }
}

/** Does to every context of this thread what a driver's crash does. */
export const loseContexts = (): void => {
  forgetLost()
  for (const context of textures.keys()) context.getExtension('WEBGL_lose_context')!.loseContext()
}
