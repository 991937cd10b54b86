import type { Camera, CameraState } from './camera.js'
import { createBell, type Feed } from './feed.js'
import { trackFeed } from './track-feed.js'

/** The frames of a camera, across its tracks: while it is lost there are none. */
export const cameraFeed = (camera: Camera, onState: (state: CameraState) => void): Feed => {
  const bell = createBell()
  let stopped = false
  let track = camera.track
  let feed = trackFeed(track)
  let dropped = 0
  const unlisten = camera.onChange(() => {
    onState(camera.state)
    if (camera.state === 'stopped') stop()
    else if (camera.track !== track) {
      feed.stop()
      dropped += feed.dropped()
      track = camera.track
      feed = trackFeed(track)
    }
    bell.ring()
  })
  function stop(): void {
    stopped = true
    unlisten()
    feed.stop()
    bell.ring()
  }
  if (camera.state === 'stopped') stop()
  else if (camera.state === 'lost') onState('lost')
  return {
    next: async () => {
      while (!stopped) {
        const taken = await feed.next()
        if (stopped) {
          taken?.frame.close()
          break
        }
        if (taken !== undefined) return taken
        // This track has ended; the camera tells when there is another.
        if (camera.track === track) await bell.wait()
      }
      return undefined
    },
    refresh: () => feed.refresh(),
    dropped: () => dropped + feed.dropped(),
    stop,
  }
}
