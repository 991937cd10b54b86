import { FxError } from '@fx/core'
import { requestCamera } from './request-camera.js'

export interface CameraOptions {
  /** Which way it looks: the visitor's face, or what lies before them. Default 'user'. Ignored where there is no choice. */
  facingMode?: 'user' | 'environment'
  /** One of `devices()`. */
  deviceId?: string
  /** Wished for, pixels: the camera gives what comes nearest. Default 640x480. */
  width?: number
  height?: number
  /** Wished for, frames in a second. Default 30. */
  frameRate?: number
  /** Gives up opening with an FxError `aborted`; later, stops the camera. */
  signal?: AbortSignal
}

/** `live`; `lost`, unplugged or taken away, until it comes back; `stopped` for good. */
export type CameraState = 'live' | 'lost' | 'stopped'

/** An open camera: a source for `playEffect`, which outlives the loss of its device. */
export interface Camera {
  readonly state: CameraState
  /** What it gives now; another one after `switchTo` and after a loss. */
  readonly track: MediaStreamTrack
  /** The cameras that there are, with their names once one has been allowed. */
  devices(): Promise<MediaDeviceInfo[]>
  /**
   * Takes another camera. Players go on with it. When that cannot be had the present one stays.
   *
   * @throws FxError as `openCamera`.
   */
  switchTo(deviceId: string): Promise<void>
  /** Tells of a new track and of a new state. Returns how to stop listening. */
  onChange(listener: () => void): () => void
  stop(): void
}

/**
 * Asks for the camera and opens it. When its device is lost it comes back by itself: the same one, else the one that is
 * left.
 *
 * @throws FxError
 *   `unsupported`: `details.reason` is 'insecure' (a page without HTTPS, or an old browser) or 'refused' (by the visitor,
 *   the system or the page's permissions policy);
 *   `not-found`: there is no camera (reason 'none'), or not that one ('unknown-device');
 *   `service-failed`: it cannot be read (reason 'in-use': another program may have it);
 *   `aborted`.
 */
export const openCamera = async (options: CameraOptions = {}): Promise<Camera> => {
  const { signal } = options
  let wanted = options
  let track = await requestCamera(options)
  let state: CameraState = 'live'
  const listeners = new Set<() => void>()
  const tell = (): void => {
    for (const listener of [...listeners]) listener()
  }

  const attach = (next: MediaStreamTrack): void => {
    track = next
    track.addEventListener('ended', lose)
    state = 'live'
    tell()
  }
  const release = (): void => {
    track.removeEventListener('ended', lose)
    track.stop()
  }

  let returning = false
  /** Takes the camera back, when there is one: its own device, else any. */
  const comeBack = async (): Promise<void> => {
    if (state !== 'lost' || returning) return
    returning = true
    try {
      const { deviceId: _, ...any } = wanted
      const next = await requestCamera(wanted).catch(() => requestCamera(any))
      // `stop` and `switchTo` may have come first.
      if ((state as CameraState) === 'lost') attach(next)
      else next.stop()
    } catch {
      // Not yet: the next change of devices, or of the page's visibility, tries again.
    } finally {
      returning = false
    }
  }
  const shown = (): void => {
    if (document.visibilityState === 'visible') void comeBack()
  }
  const changed = (): void => void comeBack()

  function lose(): void {
    release()
    state = 'lost'
    tell()
    void comeBack()
  }

  const stop = (): void => {
    if (state === 'stopped') return
    release()
    state = 'stopped'
    navigator.mediaDevices.removeEventListener('devicechange', changed)
    document.removeEventListener('visibilitychange', shown)
    signal?.removeEventListener('abort', stop)
    tell()
    listeners.clear()
  }

  if (signal?.aborted) {
    track.stop()
    throw new FxError('aborted', 'Opening the camera was aborted', { cause: signal.reason })
  }
  track.addEventListener('ended', lose)
  navigator.mediaDevices.addEventListener('devicechange', changed)
  document.addEventListener('visibilitychange', shown)
  signal?.addEventListener('abort', stop)

  return {
    get state() {
      return state
    },
    get track() {
      return track
    },
    devices: async () => {
      const devices = await navigator.mediaDevices.enumerateDevices()
      return devices.filter(({ kind }) => kind === 'videoinput')
    },
    switchTo: async deviceId => {
      const { facingMode: _, ...others } = wanted
      const next = await requestCamera({ ...others, deviceId })
      if (state === 'stopped') {
        next.stop()
        throw new FxError('aborted', 'The camera was stopped')
      }
      wanted = { ...others, deviceId }
      release()
      attach(next)
    },
    onChange: listener => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    stop,
  }
}

/** Whether a source is a camera of this package. */
export const isCamera = (source: unknown): source is Camera =>
  typeof source === 'object' && source !== null && 'onChange' in source && 'switchTo' in source
