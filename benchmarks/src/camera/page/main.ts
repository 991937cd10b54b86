import { type EngineName, loadEffect, openCamera, type PlayerStats, playEffect } from '@fx/runtime-web'
import { calibrate } from './calibrate.js'
import { captureOffset } from './capture-offset.js'

/** Frames after a start that do not count. */
const settling = 5

const query = new URLSearchParams(location.search)
const student = query.get('student')!
const engine = query.get('engine') as EngineName
const threads = Number(query.get('threads'))

const canvasOf = (id: string) => document.getElementById(id) as HTMLCanvasElement

/** Frames in a row, between two calibrations. All milliseconds. */
export interface Block {
  calibrationBefore: number
  calibrationAfter: number
  /** From taking each frame to the painted canvas. */
  frames: number[]
}

export interface RuntimeBlock extends Block {
  /** From the moment at which the browser had each frame of the camera. Empty where it does not tell. */
  fromCapture: number[]
  stages: PlayerStats['stages']
  /** Frames of the camera that newer ones overtook. */
  dropped: number
  threads: number
}

/** The timestamp of the frame that is on its way, ms. */
let timestamp: number | undefined
const { postMessage } = Worker.prototype
Worker.prototype.postMessage = function (this: Worker, message?: { frame?: VideoFrame }, ...rest: never[]) {
  if (message?.frame !== undefined) timestamp = message.frame.timestamp / 1000
  postMessage.call(this, message, ...rest)
} as typeof postMessage

const begin = async () => {
  const loading = loadEffect(`/students/${student}/`, {
    engine,
    threads,
    wasmPaths: '/wasm/',
    litertPath: '/litert/',
  })
  const [effect, camera] = await Promise.all([loading, openCamera({ width: 640, height: 480, frameRate: 30 })])

  let offset: number | undefined

  /** Plays until so many frames are painted. */
  const play = async (wanted: number): Promise<Omit<RuntimeBlock, 'calibrationBefore' | 'calibrationAfter'>> => {
    const frames: number[] = []
    const fromCapture: number[] = []
    let painted!: () => void
    const done = new Promise<void>(resolve => {
      painted = resolve
    })
    // The best quality, however long it takes.
    const player = playEffect(effect, camera, canvasOf('runtime'), {
      frameBudgetMs: 1e6,
      onFrame: ({ totalMs }) => {
        frames.push(totalMs)
        if (offset !== undefined) fromCapture.push(performance.now() - timestamp! - offset)
        if (frames.length === wanted) painted()
      },
    })
    await Promise.race([done, player.done])
    const { stages, dropped, threads } = player.stats()
    player.stop()
    await player.done
    return { frames, fromCapture, stages, dropped, threads }
  }

  const naive = async () => {
    const { openNaive } = await import('./naive.js')
    return openNaive(camera.track, canvasOf('naive'), `/students/${student}-layers/model.json`, threads)
  }
  let opened: ReturnType<typeof naive> | undefined

  await play(1)
  const firstFrameMs = performance.now()
  offset = await captureOffset(camera.track)
  return {
    /** Since the navigation. */
    firstFrameMs,
    calibrate,
    runtime: async (wanted: number): Promise<RuntimeBlock> => {
      const calibrationBefore = await calibrate()
      const { frames, fromCapture, ...block } = await play(wanted + settling)
      const counted = { frames: frames.slice(settling), fromCapture: fromCapture.slice(settling) }
      return { ...block, ...counted, calibrationBefore, calibrationAfter: await calibrate() }
    },
    naive: async (wanted: number): Promise<Block> => {
      opened ??= naive()
      const { frame, video } = await opened
      await video.play()
      for (let i = 0; i < settling; i++) await frame()
      const calibrationBefore = await calibrate()
      const frames: number[] = []
      while (frames.length < wanted) frames.push(await frame())
      video.pause()
      return { frames, calibrationBefore, calibrationAfter: await calibrate() }
    },
  }
}

const harness = begin()

export type Harness = Awaited<typeof harness>

Object.assign(globalThis, { harness })
