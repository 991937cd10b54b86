import { openCamera, type PlayerState, playEffect } from '../../src/index.js'
import { countAll, type Loaded, load, loadOnWebgl } from './effects.js'
import type { Things } from './things.js'

/** What only the browser's owner can do: hides the tab or shows it, counts workers. */
declare const setTab: (state: 'hidden' | 'visible') => Promise<void>
declare const countWorkers: () => Promise<number>

/** Painted frames, those of a round in which everything happens once, and where counts are taken. */
const allFrames = 10_000
const roundFrames = 400
const countedAt = 100
/** The round at which all code has run, in the page and in workers, so that the heap grows by what is left behind alone. */
const settledRound = 4
/** Frames in which nothing happens any more. */
const lastFrames = 100

/** What there is at one frame. */
interface Census extends Things {
  /** The last that was painted. */
  frame: number
  engine: string
  workers: number
  /** Bytes of JavaScript and of the document, the workers' included. */
  heap: number
}

const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await sleep(5)
}

const heapBytes = async (): Promise<number> => {
  type Measuring = { measureUserAgentSpecificMemory(): Promise<{ bytes: number }> }
  return (await (performance as unknown as Measuring).measureUserAgentSpecificMemory()).bytes
}

/** A camera of which the device can be pulled and put back. */
const openFragileCamera = async () => {
  const camera = await openCamera({ width: 64, height: 48, frameRate: 240 })
  const { mediaDevices } = navigator
  return {
    camera,
    pull: (): void => {
      mediaDevices.getUserMedia = () => Promise.reject(new DOMException('none', 'NotFoundError'))
      // A script's own stop tells nobody, so the test tells what a pulled plug would.
      camera.track.stop()
      camera.track.dispatchEvent(new Event('ended'))
    },
    putBack: (): void => {
      delete (mediaDevices as Partial<MediaDevices>).getUserMedia
    },
    announce: async (): Promise<void> => {
      mediaDevices.dispatchEvent(new Event('devicechange'))
      await until(() => camera.state === 'live')
    },
  }
}

const soak = async () => {
  const { camera, ...device } = await openFragileCamera()
  const canvas = document.body.appendChild(Object.assign(document.createElement('canvas'), { width: 64, height: 48 }))
  const states: Record<string, number> = {}
  let frames = 0
  let waiting: { frame: number; resolve(): void } | undefined
  let playing: Loaded
  const onState = ({ reason }: PlayerState): void => {
    states[reason] = (states[reason] ?? 0) + 1
  }
  const onFrame = (): void => {
    frames++
    playing.effect.set({ strength: (frames % 11) / 10 })
    if (waiting === undefined || frames < waiting.frame) return
    waiting.resolve()
    waiting = undefined
  }
  /** Waits until so many frames are painted. */
  const reached = (frame: number): Promise<void> =>
    frames >= frame ? Promise.resolve() : new Promise(resolve => (waiting = { frame, resolve }))

  // One thread: threads that sleep in wasm do not answer when heaps are measured.
  const first = await load('whole', true, { engine: 'wasm', threads: 1 })
  let onWebgl = await loadOnWebgl('square', true)
  playing = onWebgl
  // Quality that adapts to a busy machine would open smaller students at its own times.
  const player = playEffect(onWebgl.effect, camera, canvas, { frameBudgetMs: 1e6, onFrame, onState })
  const use = async (next: Loaded): Promise<void> => {
    playing = next
    await player.use(next.effect)
  }
  const census = async (): Promise<Census> => ({
    frame: frames,
    engine: player.stats().engine,
    workers: await countWorkers(),
    ...(await countAll()),
    heap: await heapBytes(),
  })

  await reached(countedAt)
  const begin = await census()
  const engines: string[] = []
  let settledHeap = 0
  let round = 0

  for (; frames + roundFrames + lastFrames <= allFrames; round++) {
    const start = frames
    /** When so many frames of this round are painted. */
    const at = (frame: number): Promise<void> => reached(start + frame)

    // The WebGL context is lost, and wasm goes on.
    await at(40)
    if (round === settledRound) settledHeap = (await census()).heap
    await onWebgl.loseContexts()
    await until(() => player.stats().engine === 'wasm')
    engines.push(player.stats().engine)
    await at(80)
    await use(first)
    onWebgl.dispose()

    canvas.width = 96 + round
    await at(100)
    player.split = 0.25
    await at(110)
    player.mirror = true
    canvas.height = 32
    await at(120)
    player.split = undefined
    player.mirror = false
    Object.assign(canvas, { width: 64, height: 48 })

    await at(140)
    device.pull()
    await sleep(20)
    device.putBack()
    await device.announce()

    await at(160)
    await setTab('hidden')
    await at(200)
    if (round % 2 === 1) {
      // Nobody tells of its return, but the visitor's.
      device.pull()
      await sleep(20)
      device.putBack()
    }
    await setTab('visible')
    await until(() => camera.state === 'live')

    await at(220)
    const second = await load('square', round % 3 > 0, { engine: 'wasm', threads: 2 })
    await use(second)
    await at(280)
    const overtaken = player.use(second.effect)
    await Promise.all([use(first), overtaken])
    second.dispose()

    await at(320)
    onWebgl = await loadOnWebgl('square', round % 2 === 1)
    await use(onWebgl)
    engines.push(player.stats().engine)
    await at(roundFrames)
  }

  // In a worker again, as at first.
  const inPage = onWebgl
  onWebgl = await loadOnWebgl('square', true)
  await use(onWebgl)
  inPage.dispose()
  await reached(allFrames)
  const end = await census()
  player.stop()
  await player.done
  camera.stop()
  // A frame that is on its way is answered.
  await sleep(1000)
  onWebgl.dispose()
  first.dispose()
  return { begin, end, settledHeap, left: await countAll(), rounds: round, states, engines }
}

const harness = { soak }

export type Harness = typeof harness

Object.assign(globalThis, { harness })
