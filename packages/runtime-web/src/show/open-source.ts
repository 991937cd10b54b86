import { FxError } from '@fx/core'
import { openCamera } from '../source/camera.js'
import type { PlayerSource } from '../source/open-feed.js'

/**
 * 'camera'; `#id`, or another selector that starts so, of a video, image or canvas of the page; the URL of a video or of a
 * picture; or what a player takes.
 */
export type ShowSource = string | PlayerSource

/** A source, and how to give it back. */
export interface OpenedSource {
  source: PlayerSource
  close(): void
}

const keep = (source: PlayerSource): OpenedSource => ({ source, close: () => {} })

const find = (selector: string): OpenedSource => {
  const found = document.querySelector(selector)
  if (found === null || !/^(video|img|canvas)$/.test(found.localName)) {
    throw new FxError('invalid-argument', `The source '${selector}' is not a video, img or canvas of this page`)
  }
  return keep(found as HTMLVideoElement | HTMLImageElement | HTMLCanvasElement)
}

const openImage = async (url: string): Promise<OpenedSource> => {
  const image = Object.assign(new Image(), { crossOrigin: 'anonymous', src: url })
  await image.decode()
  return keep(image)
}

const openVideo = async (url: string): Promise<OpenedSource> => {
  const video = document.createElement('video')
  const release = (): void => {
    video.pause()
    // What is only paused goes on loading.
    video.removeAttribute('src')
    video.load()
  }
  // Browsers let videos without sound, and those alone, start by themselves.
  Object.assign(video, { crossOrigin: 'anonymous', muted: true, loop: true, playsInline: true })
  try {
    await new Promise<void>((resolve, reject) => {
      video.onloadeddata = () => resolve()
      video.onerror = () => reject(new Error(video.error?.message || 'it is no video'))
      video.src = url
    })
  } catch (error) {
    release()
    throw error
  }
  // Where that is forbidden, to save power say, the first frame is shown.
  video.play().catch(() => {})
  return { source: video, close: release }
}

const videoUrl = /^data:video|\.(mp4|m4v|webm|mov|ogv)(\?|#|$)/i

/** A name says what it is where it can; without one it is tried. */
const openUrl = async (url: string): Promise<OpenedSource> => {
  const [first, second] = videoUrl.test(url) ? [openVideo, openImage] : [openImage, openVideo]
  try {
    return await first(url)
  } catch (error) {
    return second(url).catch(() => {
      throw new FxError('not-found', `Cannot show ${url} as a video or a picture: ${(error as Error).message}`, {
        cause: error,
        details: { url },
      })
    })
  }
}

/**
 * @throws FxError as `openCamera`; `invalid-argument` for a selector that finds nothing; `not-found` for a URL that gives
 *   neither video nor picture.
 */
export const openSource = async (source: ShowSource, signal: AbortSignal): Promise<OpenedSource> => {
  if (typeof source !== 'string') return keep(source)
  if (source === 'camera') {
    const camera = await openCamera({ signal })
    return { source: camera, close: camera.stop }
  }
  return source.startsWith('#') ? find(source) : openUrl(source)
}
