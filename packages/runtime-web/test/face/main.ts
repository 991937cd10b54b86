import { FxError } from '@fx/core'
import { type FaceDetector, type FaceMeshOptions, faceMesh } from '../../src/face/face-mesh.js'
import { facePose } from '../../src/face/pose.js'
import { drawFace } from './draw-face.js'

/** What the tests of the face mesh call. */

interface Drawn {
  x: number
  y: number
  size: number
  roll?: number
}

let detector: FaceDetector

const picture = (faces: readonly Drawn[], width = 640, height = 480): HTMLCanvasElement => {
  const canvas = document.createElement('canvas')
  canvas.width = width
  canvas.height = height
  const context = canvas.getContext('2d')!
  const sky = context.createLinearGradient(0, 0, 0, height)
  sky.addColorStop(0, '#8ab')
  sky.addColorStop(1, '#567')
  context.fillStyle = sky
  context.fillRect(0, 0, width, height)
  for (const { x, y, size, roll } of faces) drawFace(context, x, y, size, roll)
  document.body.replaceChildren(canvas)
  return canvas
}

type Frame = Parameters<FaceDetector['detect']>[0]

const video = async (canvas: HTMLCanvasElement): Promise<HTMLVideoElement> => {
  const element = document.createElement('video')
  element.muted = true
  element.srcObject = canvas.captureStream(30)
  const context = canvas.getContext('2d')!
  // A canvas that does not change sends no frame.
  const again = setInterval(() => context.fillRect(0, 0, 1, 1), 30)
  await element.play()
  clearInterval(again)
  return element
}

const frames: Record<string, (canvas: HTMLCanvasElement) => Frame | Promise<Frame>> = {
  HTMLCanvasElement: canvas => canvas,
  OffscreenCanvas: canvas => {
    const copy = new OffscreenCanvas(canvas.width, canvas.height)
    copy.getContext('2d')!.drawImage(canvas, 0, 0)
    return copy
  },
  ImageBitmap: canvas => createImageBitmap(canvas),
  VideoFrame: canvas => new VideoFrame(canvas, { timestamp: 0 }),
  HTMLVideoElement: video,
}

const poses = async (frame: Frame) =>
  (await detector.detect(frame, performance.now())).map(({ landmarks }) => facePose(landmarks)!)

const caught = async (action: () => Promise<unknown>) => {
  try {
    await action()
    return undefined
  } catch (error) {
    return { code: FxError.isInstance(error) ? error.code : 'none', message: (error as Error).message }
  }
}

/** Contexts of WebGL that this page made. */
const contexts: WebGLRenderingContext[] = []
let hasWebGL = true
type GetContext = (this: HTMLCanvasElement, name: string, options?: unknown) => RenderingContext | null
const getContext = HTMLCanvasElement.prototype.getContext as GetContext
const watched: GetContext = function (name, options) {
  if (!name.startsWith('webgl')) return getContext.call(this, name, options)
  const context = hasWebGL ? (getContext.call(this, name, options) as WebGLRenderingContext | null) : null
  if (context !== null && !contexts.includes(context)) contexts.push(context)
  return context
}
HTMLCanvasElement.prototype.getContext = watched as typeof HTMLCanvasElement.prototype.getContext

const harness = {
  create: (options: FaceMeshOptions) => {
    detector = faceMesh(options)
  },
  failToCreate: (options: FaceMeshOptions) => caught(async () => faceMesh(options)),
  poses: (faces: Drawn[], width?: number, height?: number) => poses(picture(faces, width, height)),
  posesOf: async (kind: string, faces: Drawn[]) => {
    const frame = await frames[kind]!(picture(faces))
    const found = await poses(frame)
    if ('close' in frame) frame.close()
    return found
  },
  fail: () => caught(() => poses(picture([]))),
  /** A picture of another origin. */
  failToRead: async (url: string) => {
    const image = new Image()
    image.src = url
    await image.decode()
    const canvas = picture([])
    canvas.getContext('2d')!.drawImage(image, 0, 0)
    return caught(() => poses(canvas))
  },
  videoWithoutPicture: async () => (await detector.detect(document.createElement('video'), 0)).length,
  loseContexts: async () => {
    for (const context of contexts) context.getExtension('WEBGL_lose_context')?.loseContext()
    // The event that tells of it is a task of its own.
    await new Promise(resolve => setTimeout(resolve, 100))
  },
  withoutWebGL: () => {
    hasWebGL = false
  },
  liveContexts: () => contexts.filter(context => !context.isContextLost()).length,
  dispose: () => detector.dispose(),
}

export type FaceHarness = typeof harness

Object.assign(globalThis, { harness })
