import type { PlayerSource } from '../../src/index.js'
import { type Colour, drawPicture, halves, load, newCanvas, picture, play } from './page.js'

/** The test picture as a moving source, whose canvas is painted at the display's rate. */
const moving = () => {
  const canvas = picture(64)
  let id = 0
  const paint = (): void => {
    drawPicture(canvas)
    id = requestAnimationFrame(paint)
  }
  paint()
  return { stream: canvas.captureStream(), stop: () => cancelAnimationFrame(id) }
}

const frames = (count: number): ReadableStream<VideoFrame> => {
  let sent = 0
  return new ReadableStream({
    pull: async controller => {
      if (sent++ === count) return controller.close()
      await new Promise(requestAnimationFrame)
      controller.enqueue(new VideoFrame(picture(64), { timestamp: sent * 33_000 }))
    },
  })
}

/** The sources of one kind each, and what ends them. */
const open: Record<string, () => Promise<{ source: PlayerSource; close?: () => void }>> = {
  ImageData: async () => ({ source: picture(64).getContext('2d')!.getImageData(0, 0, 64, 64) }),
  ImageBitmap: async () => ({ source: await createImageBitmap(picture(64)) }),
  HTMLCanvasElement: async () => ({ source: picture(64) }),
  OffscreenCanvas: async () => {
    const canvas = new OffscreenCanvas(64, 64)
    canvas.getContext('2d')!.drawImage(picture(64), 0, 0)
    return { source: canvas }
  },
  HTMLImageElement: async () => {
    const source = new Image()
    source.src = picture(64).toDataURL()
    return { source }
  },
  VideoFrame: async () => {
    const source = new VideoFrame(picture(64), { timestamp: 0 })
    return { source, close: () => source.close() }
  },
  HTMLVideoElement: async () => {
    const { stream, stop } = moving()
    const source = Object.assign(document.createElement('video'), { muted: true, srcObject: stream })
    await source.play()
    return { source, close: stop }
  },
  MediaStream: async () => {
    const { stream, stop } = moving()
    return { source: stream, close: stop }
  },
  MediaStreamTrack: async () => {
    const { stream, stop } = moving()
    return { source: stream.getVideoTracks()[0]!, close: stop }
  },
  ReadableStream: async () => ({ source: frames(1000) }),
}

/** What an effect paints of each kind of source. @param lacking what the browser is made to lack. */
export const playSources = async (worker: boolean, lacking: string[]): Promise<Record<string, Colour[]>> => {
  const scope = globalThis as unknown as Record<string, unknown>
  if (lacking.includes('MediaStreamTrackProcessor')) delete scope.MediaStreamTrackProcessor
  if (lacking.includes('VideoFrame')) delete scope.VideoFrame
  const prototype = HTMLVideoElement.prototype as { requestVideoFrameCallback?: unknown }
  if (lacking.includes('requestVideoFrameCallback')) delete prototype.requestVideoFrameCallback
  const effect = await load('square', { worker })
  const painted: Record<string, Colour[]> = {}
  for (const [kind, make] of Object.entries(open)) {
    if (lacking.length > 0 && !/Video|Media/.test(kind)) continue
    if (lacking.includes('VideoFrame') && kind === 'VideoFrame') continue
    const { source, close } = await make()
    const { player, canvas, more } = play(effect, source)
    const still = ['ImageData', 'ImageBitmap', 'HTMLImageElement', 'VideoFrame'].includes(kind)
    await more(still ? 1 : 3)
    painted[kind] = halves(canvas)
    player.stop()
    await player.done
    close?.()
  }
  effect.dispose()
  return painted
}

/** A video whose picture cannot be had at two moments. */
export const blindMoments = async (): Promise<{ refused: number; painted: Colour[] }> => {
  const effect = await load('square')
  const { source, close } = await open.HTMLVideoElement!()
  const Real = VideoFrame
  let taken = 0
  let refused = 0
  globalThis.VideoFrame = new Proxy(Real, {
    construct: (Class, options: ConstructorParameters<typeof VideoFrame>) => {
      if (taken++ === 0 || taken === 3) {
        refused++
        throw new DOMException('Invalid source state', 'InvalidStateError')
      }
      return new Class(...options)
    },
  })
  try {
    const { player, canvas, more } = play(effect, source)
    await more(3)
    player.stop()
    await player.done
    return { refused, painted: halves(canvas) }
  } finally {
    globalThis.VideoFrame = Real
    close?.()
    effect.dispose()
  }
}

/** A stream ends, and with it the player; a still does not, and is not painted without need. */
export const endOfSources = async () => {
  const effect = await load('square')
  const streamed = play(effect, frames(5))
  await streamed.player.done
  const still = play(effect, picture(64).getContext('2d')!.getImageData(0, 0, 64, 64))
  await still.more(1)
  await new Promise(resolve => setTimeout(resolve, 300))
  const painted = still.frames()
  still.player.stop()
  const left = frames(1000)
  const released = play(effect, left)
  await released.more(1)
  released.player.stop()
  await released.player.done
  effect.dispose()
  return { streamed: streamed.frames() + streamed.player.stats().dropped, painted, locked: left.locked }
}

/** A source that is faster than the effect loses frames, never shows old ones. */
export const newestWins = async () => {
  const effect = await load('square')
  let next = 0
  let timer = 0
  const source = new ReadableStream<VideoFrame>({
    start: controller => {
      timer = window.setInterval(
        () => controller.enqueue(new VideoFrame(newCanvasOf(next), { timestamp: next++ * 1000 })),
        2,
      )
    },
    cancel: () => clearInterval(timer),
  })
  const seen: number[] = []
  const canvas = newCanvas(64)
  const { player, more } = play(effect, source, { onFrame: () => seen.push(255 - halves(canvas)[0]![0]) }, canvas)
  await more(20)
  const { dropped, frames } = player.stats()
  player.stop()
  clearInterval(timer)
  effect.dispose()
  return { seen, dropped, frames }
}

/** A grey picture whose brightness counts. */
const newCanvasOf = (count: number): HTMLCanvasElement => {
  const canvas = newCanvas(64)
  const context = canvas.getContext('2d')!
  context.fillStyle = `rgb(${count % 256} 0 0)`
  context.fillRect(0, 0, 64, 64)
  return canvas
}
