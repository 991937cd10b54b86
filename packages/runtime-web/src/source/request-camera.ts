import { FxError, type FxErrorCode } from '@fx/core'
import type { CameraOptions } from './camera.js'

/** What getUserMedia's errors mean: a code, `details.reason`, and a sentence. */
const meanings: Record<string, readonly [FxErrorCode, reason: string, sentence: string]> = {
  NotAllowedError: ['unsupported', 'refused', 'The camera was refused to this page'],
  SecurityError: ['unsupported', 'refused', 'The camera was refused to this page'],
  NotFoundError: ['not-found', 'none', 'There is no camera'],
  OverconstrainedError: ['not-found', 'unknown-device', 'There is no such camera'],
  NotReadableError: ['service-failed', 'in-use', 'The camera cannot be read: another program may be using it'],
  AbortError: ['service-failed', 'in-use', 'The camera could not be started'],
}

const constraints = ({ facingMode = 'user', deviceId, width = 640, height = 480, frameRate = 30 }: CameraOptions) => ({
  ...(deviceId === undefined ? { facingMode } : { deviceId: { exact: deviceId } }),
  width: { ideal: width },
  height: { ideal: height },
  frameRate: { ideal: frameRate },
})

/**
 * The video track of a camera.
 *
 * @throws FxError as `openCamera`.
 */
export const requestCamera = async (options: CameraOptions): Promise<MediaStreamTrack> => {
  const devices = (globalThis.navigator as { mediaDevices?: MediaDevices } | undefined)?.mediaDevices
  if (devices?.getUserMedia === undefined) {
    throw new FxError('unsupported', 'This page has no camera: browsers give it to pages with HTTPS only', {
      details: { reason: 'insecure' },
    })
  }
  try {
    const stream = await devices.getUserMedia({ video: constraints(options) })
    return stream.getVideoTracks()[0]!
  } catch (error) {
    const { name, message } = error as Error
    const [code, reason, sentence] = meanings[name] ?? ['service-failed', 'unknown', 'The camera could not be opened']
    throw new FxError(code, `${sentence} (${message || name})`, {
      cause: error,
      details: { reason, deviceId: options.deviceId },
    })
  }
}
