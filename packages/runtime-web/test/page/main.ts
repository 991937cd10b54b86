import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { type Effect, type EffectSource, type LoadEffectOptions, loadEffect, playEffect } from '../../src/index.js'

/** What the browser tests call. Everything that crosses is plain JSON. */

type Kind = 'ImageData' | 'ImageBitmap' | 'HTMLCanvasElement' | 'OffscreenCanvas' | 'HTMLImageElement' | 'VideoFrame'

let effect: Effect | undefined

const canvasOf = (image: ImageData): HTMLCanvasElement => {
  const canvas = document.createElement('canvas')
  canvas.width = image.width
  canvas.height = image.height
  canvas.getContext('2d')!.putImageData(image, 0, 0)
  return canvas
}

const sourceOf = async (kind: Kind, image: ImageData): Promise<EffectSource> => {
  switch (kind) {
    case 'ImageData':
      return image
    case 'ImageBitmap':
      return createImageBitmap(image)
    case 'HTMLCanvasElement':
      return canvasOf(image)
    case 'OffscreenCanvas': {
      const canvas = new OffscreenCanvas(image.width, image.height)
      canvas.getContext('2d')!.putImageData(image, 0, 0)
      return canvas
    }
    case 'HTMLImageElement': {
      const element = new Image()
      element.src = canvasOf(image).toDataURL('image/png')
      await element.decode()
      return element
    }
    case 'VideoFrame':
      return new VideoFrame(canvasOf(image), { timestamp: 0 })
  }
}

/** An error as the tests compare it. */
const caught = async (action: () => Promise<unknown>) => {
  try {
    await action()
    return undefined
  } catch (error) {
    return { code: FxError.isInstance(error) ? error.code : 'none', message: (error as Error).message }
  }
}

const harness = {
  load: async (url: string, options: Pick<LoadEffectOptions, 'worker' | 'threads' | 'engine'>) => {
    effect = await loadEffect(url, { engine: 'wasm', ...options, wasmPaths: '/wasm/' })
    return effect.stats()
  },
  loadInOwnWorker: async (url: string) => {
    const worker = () => new Worker(new URL('../../src/worker.ts', import.meta.url), { type: 'module' })
    effect = await loadEffect(url, { worker, engine: 'wasm', wasmPaths: '/wasm/' })
    return effect.stats()
  },
  failToLoad: (url: string, worker: boolean) =>
    caught(async () => loadEffect(url, { worker, engine: 'wasm', wasmPaths: '/wasm/' })),
  abort: (url: string, worker: boolean) =>
    caught(async () => {
      const controller = new AbortController()
      const loading = loadEffect(url, { worker, engine: 'wasm', wasmPaths: '/wasm/', signal: controller.signal })
      controller.abort()
      await loading
    }),
  run: async (kind: Kind, width: number, height: number, rgba: number[]) => {
    const source = await sourceOf(kind, new ImageData(Uint8ClampedArray.from(rgba), width, height))
    const image = await effect!.run(source)
    if (kind === 'VideoFrame') (source as VideoFrame).close()
    return Array.from(image.data)
  },
  /** What `draw` leaves on a canvas of the student's size. */
  paint: async (width: number, height: number, rgba: number[]) => {
    const canvas = canvasOf(new ImageData(width, height))
    await effect!.draw(new ImageData(Uint8ClampedArray.from(rgba), width, height), canvas)
    return Array.from(canvas.getContext('2d')!.getImageData(0, 0, width, height).data)
  },
  failToRun: () => caught(() => effect!.run('a string' as unknown as ImageData)),
  failToRunVideo: () => caught(() => effect!.run(document.querySelector('video')!)),
  failWithParameter: () => caught(() => effect!.run(new ImageData(32, 32), { parameters: { strength: 1 } })),
  failInFlight: () =>
    caught(async () => {
      const running = effect!.run(new ImageData(32, 32))
      effect!.dispose()
      await running
    }),
  runMany: async (count: number) => {
    for (let i = 0; i < count; i++) await effect!.run(new ImageData(48, 32))
    return effect!.stats()
  },
  /** Draws without waiting; tells which draws were painted. */
  drawBurst: async (count: number) => {
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = 64
    return Promise.all(Array.from({ length: count }, () => effect!.draw(new ImageData(32, 32), canvas)))
  },
  camera: async (frames: number) => {
    const video = document.querySelector('video')!
    const stream = await navigator.mediaDevices.getUserMedia({ video: true })
    video.srcObject = stream
    await video.play()
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = 96
    const pictures = new Set<string>()
    await new Promise<void>((resolve, reject) => {
      let shown = 0
      const player = playEffect(effect!, video, canvas, {
        onFrame: () => {
          pictures.add(canvas.toDataURL())
          if (++shown === frames) player.stop()
        },
      })
      player.done.then(resolve, reject)
    })
    for (const track of stream.getTracks()) track.stop()
    video.srcObject = null
    return { different: pictures.size, stats: effect!.stats() }
  },
  tensors: () => tf.engine().state.numTensors,
  dispose: () => effect!.dispose(),
}

export type Harness = typeof harness

Object.assign(globalThis, { harness })
