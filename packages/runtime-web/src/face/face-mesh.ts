import { FxError } from '@fx/core'
import type { FaceMesh, FaceMeshConfig, NormalizedLandmarkList, Results } from '@mediapipe/face_mesh'
import { checkFiles, loadScript } from './mesh-files.js'
import type { Face, FaceDetector } from './types.js'

export type { Face, FaceDetector } from './types.js'

export interface FaceMeshOptions {
  /** The folder, relative to the page, where the files of the package `@mediapipe/face_mesh` are served. */
  path: string
  /** The most faces to find. Default 1. */
  maxFaces?: number
  /** How sure the mesh must be that it lies on a face, from 0 to 1. Default 0.5. */
  minConfidence?: number
}

type Frame = Parameters<FaceDetector['detect']>[0]

/** A mesh of Google's package, started. */
interface Mesh {
  detect(picture: HTMLCanvasElement): Promise<readonly NormalizedLandmarkList[]>
  /** Whether its WebGL context is gone, and with it all it could do. */
  lost(): boolean
  dispose(): void
}

/** The mesh looks at 192x192 pixels of a face: a frame with more than these on its longer side only costs time. */
const longestSide = 960

const webGL = (canvas: HTMLCanvasElement): WebGLRenderingContext | null =>
  canvas.getContext('webgl2') ?? canvas.getContext('webgl')

/** Browsers keep few contexts, and take the oldest from who has it: one that is done is given back at once. */
const loseContext = (canvas: HTMLCanvasElement): void =>
  webGL(canvas)?.getExtension('WEBGL_lose_context')?.loseContext()

/** Google's package would show an alert. */
const requireWebGL = (): void => {
  if (typeof document === 'undefined') {
    throw new FxError('unsupported', 'The face mesh needs a page: it does not run in a worker or in Node')
  }
  const canvas = document.createElement('canvas')
  if (webGL(canvas) === null) {
    throw new FxError('unsupported', 'This browser has no WebGL, which the face mesh needs', {
      details: { missing: 'WebGL' },
    })
  }
  loseContext(canvas)
}

const startMesh = async (folder: URL, maxFaces: number, minConfidence: number): Promise<Mesh> => {
  requireWebGL()
  await checkFiles(folder)
  const scope = globalThis as { FaceMesh?: new (config: FaceMeshConfig) => FaceMesh }
  // The package is a script that sets a global, whatever loads it; so it is loaded as one, next to its other files.
  if (scope.FaceMesh === undefined) await loadScript(new URL('face_mesh.js', folder))
  if (scope.FaceMesh === undefined) {
    throw new FxError('corrupt-file', `${new URL('face_mesh.js', folder).href} is not that of @mediapipe/face_mesh`)
  }
  const mesh = new scope.FaceMesh({ locateFile: file => new URL(file, folder).href })
  let canvas: HTMLCanvasElement | undefined
  let lost = false
  let found: readonly NormalizedLandmarkList[] = []
  // No minDetectionConfidence: in 0.4.1657299874, the last release, setting it breaks the graph. It is 0.5.
  mesh.setOptions({ maxNumFaces: maxFaces, minTrackingConfidence: minConfidence, refineLandmarks: false })
  mesh.onResults(({ image, multiFaceLandmarks }: Results) => {
    found = multiFaceLandmarks ?? []
    if (canvas !== undefined || !(image instanceof HTMLCanvasElement)) return
    // The canvas that it computes on.
    canvas = image
    canvas.addEventListener('webglcontextlost', () => {
      lost = true
    })
  })
  await mesh.initialize()
  return {
    detect: async picture => {
      found = []
      await mesh.send({ image: picture })
      return found
    },
    lost: () => lost,
    dispose: () => {
      try {
        void mesh.close()
      } catch {
        // One that crashed cannot be closed.
      }
      if (canvas !== undefined) loseContext(canvas)
    },
  }
}

let last: Promise<unknown> = Promise.resolve()

/** Starts wait for one another: each passes its files through the same global variables. */
const startInTurn = (...parameters: Parameters<typeof startMesh>): Promise<Mesh> => {
  const started = last.then(() => startMesh(...parameters))
  last = started.catch(() => {})
  return started
}

const sizeOf = (frame: Frame): { width: number; height: number } => {
  if ('videoWidth' in frame) return { width: frame.videoWidth, height: frame.videoHeight }
  return 'displayWidth' in frame ? { width: frame.displayWidth, height: frame.displayHeight } : frame
}

/**
 * The face mesh of `@mediapipe/face_mesh` 0.4 (Kartynnik et al. 2019, Real-time Facial Surface Geometry from Monocular
 * Video on Mobile GPUs). Nothing is fetched before the first `detect`, and then only from `path`: 10 MB. Runs in the page,
 * on WebGL. When it loses its WebGL context the next `detect` starts it again; a mesh that could not start stays so.
 *
 * `detect` throws FxError `missing-package` (no such package at `path`), `not-found` (one of its files is missing there),
 * `service-failed` (the server), `corrupt-file` (a web page in place of a file), `unsupported` (no WebGL, no page),
 * `backend-unavailable` (it crashed), `invalid-argument` (a picture that may not be read), `aborted` (disposed).
 *
 * @throws FxError `invalid-argument`.
 */
export const faceMesh = ({ path, maxFaces = 1, minConfidence = 0.5 }: FaceMeshOptions): FaceDetector => {
  if (!Number.isInteger(maxFaces) || maxFaces < 1) {
    throw new FxError('invalid-argument', `maxFaces is ${maxFaces}, allowed are whole numbers from 1`)
  }
  if (!(minConfidence >= 0 && minConfidence <= 1)) {
    throw new FxError('invalid-argument', `minConfidence is ${minConfidence}, allowed are numbers from 0 to 1`)
  }
  let mesh: Promise<Mesh> | undefined
  let picture: CanvasRenderingContext2D | undefined
  let queue: Promise<unknown> = Promise.resolve()
  let disposed = false

  const started = async (): Promise<Mesh> => {
    const running = await mesh
    if (running?.lost()) {
      running.dispose()
      mesh = undefined
    }
    const folder = new URL(path.endsWith('/') ? path : `${path}/`, globalThis.location.href)
    mesh ??= startInTurn(folder, maxFaces, minConfidence)
    return mesh
  }

  const detect = async (frame: Frame): Promise<readonly Face[]> => {
    const { width, height } = sizeOf(frame)
    // A video that has no picture yet shows no face either.
    if (width === 0 || height === 0) return []
    const running = await started()
    if (disposed) throw new FxError('aborted', 'This face detector was disposed')
    picture ??= document.createElement('canvas').getContext('2d', { alpha: false })!
    const { canvas } = picture
    const scale = Math.min(1, longestSide / Math.max(width, height))
    const [reducedWidth, reducedHeight] = [width, height].map(side => Math.max(1, Math.round(side * scale)))
    if (canvas.width !== reducedWidth || canvas.height !== reducedHeight) {
      canvas.width = reducedWidth!
      canvas.height = reducedHeight!
    }
    picture.drawImage(frame, 0, 0, canvas.width, canvas.height)
    const faces = await running.detect(canvas).catch((error: unknown) => {
      // What failed once does not recover: the next call starts another.
      running.dispose()
      mesh = undefined
      throw error
    })
    return faces.map(points => ({
      landmarks: Float32Array.from({ length: points.length * 2 }, (_, i) => {
        const point = points[i >> 1]!
        return i % 2 === 0 ? point.x * width : point.y * height
      }),
    }))
  }

  return {
    detect: frame => {
      const result = queue.then(async () => {
        if (disposed) throw new FxError('aborted', 'This face detector was disposed')
        try {
          return await detect(frame)
        } catch (error) {
          if (FxError.isInstance(error)) throw error
          if (error instanceof DOMException && error.name === 'SecurityError') {
            throw new FxError('invalid-argument', `This frame may not be read: ${error.message}`, { cause: error })
          }
          const why = error instanceof Error ? error.message : String(error)
          throw new FxError('backend-unavailable', `The face mesh failed: ${why}`, { cause: error })
        }
      })
      queue = result.catch(() => {})
      return result
    },
    dispose: () => {
      if (disposed) return
      disposed = true
      void queue.then(async () => (await mesh)?.dispose()).catch(() => {})
    },
  }
}
