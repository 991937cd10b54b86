import { type Camera, openCamera, type PlayerSource } from '@fx/runtime-web'
import type { SampleName } from './choices.js'
import { element, reducedMotion } from './element.js'
import portraits from './samples/portraits.webm?url'
import scene from './samples/scene.webm?url'

/** What the effects are played on. */
export interface Source {
  kind: 'sample' | 'camera' | 'picture'
  playable: PlayerSource
  /** Width by height. */
  aspect: number
  /** Whether visitors expect it to be a mirror. */
  mirror: boolean
  camera?: Camera
  close(): void
}

const video = element<HTMLVideoElement>('video')
const urls = { scene, portraits }
let shown: SampleName | undefined
/** Counts the samples that were opened, which share one video. */
let opened = 0

const until = (event: string, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const settle = (how: () => void) => () => {
      stop.abort()
      how()
    }
    const stop = new AbortController()
    video.addEventListener(event, settle(resolve), { signal: stop.signal })
    video.addEventListener(
      'error',
      settle(() => reject(new Error('This browser cannot play the sample video.'))),
      {
        signal: stop.signal,
      },
    )
    signal.addEventListener(
      'abort',
      settle(() => reject(signal.reason)),
      { signal: stop.signal },
    )
  })

/** Gets a sample video, whole: it is small, and answering for parts of it is more than a service worker should do. */
const fetchSample = async (name: SampleName): Promise<Blob> => {
  const response = await fetch(urls[name])
  if (!response.ok) throw new Error(`The sample video could not be fetched: the server answers ${response.status}.`)
  return response.blob()
}

/** A sample video from its first frame on: playing, or standing still for those who want less motion. */
export const openSample = async (name: SampleName, signal: AbortSignal): Promise<Source> => {
  if (shown !== name) {
    const blob = await fetchSample(name)
    signal.throwIfAborted()
    URL.revokeObjectURL(video.src)
    shown = name
    const ready = until('loadeddata', signal)
    video.src = URL.createObjectURL(blob)
    await ready
  }
  if (!reducedMotion.matches) await video.play()
  const mine = ++opened
  const aspect = video.videoWidth / video.videoHeight
  return { kind: 'sample', playable: video, aspect, mirror: false, close: () => mine === opened && video.pause() }
}

export const openCameraSource = async (signal: AbortSignal): Promise<Source> => {
  const camera = await openCamera()
  if (signal.aborted) camera.stop()
  signal.throwIfAborted()
  const { width = 640, height = 480, facingMode } = camera.track.getSettings()
  return {
    kind: 'camera',
    playable: camera,
    aspect: width / height,
    mirror: facingMode !== 'environment',
    camera,
    close: camera.stop,
  }
}

/** More than a screen shows would only take memory. */
const longestSide = 1280

export const openPicture = async (file: Blob): Promise<Source> => {
  const whole = await createImageBitmap(file)
  const scale = Math.min(1, longestSide / Math.max(whole.width, whole.height))
  const [resizeWidth, resizeHeight] = [whole.width, whole.height].map(side => Math.max(1, Math.round(side * scale)))
  const picture = await createImageBitmap(whole, { resizeWidth, resizeHeight, resizeQuality: 'high' })
  whole.close()
  const { width, height } = picture
  return { kind: 'picture', playable: picture, aspect: width / height, mirror: false, close: () => picture.close() }
}
