import { openCamera } from '../../src/index.js'
import { trackFeed } from '../../src/source/track-feed.js'
import { type Colour, halves, load, play, sleep, until } from './page.js'

/** Lets getUserMedia fail with a DOMException of this name, or work again. */
const failWith = (name: string | undefined): void => {
  const { mediaDevices } = navigator
  if (name === undefined) delete (mediaDevices as Partial<MediaDevices>).getUserMedia
  else mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', name))
}

const codeOf = async (action: () => Promise<unknown>): Promise<string> => {
  try {
    await action()
    return 'none'
  } catch (error) {
    const { code, details } = error as { code: string; details: { reason?: string } }
    return `${code} ${details.reason}`
  }
}

export const cameraErrors = async (): Promise<Record<string, string>> => {
  const codes: Record<string, string> = {}
  for (const name of ['NotAllowedError', 'NotFoundError', 'NotReadableError', 'OverconstrainedError', 'OddError']) {
    failWith(name)
    codes[name] = await codeOf(() => openCamera())
  }
  failWith(undefined)
  codes.unknown = await codeOf(() => openCamera({ deviceId: 'no such device' }))
  const controller = new AbortController()
  controller.abort()
  codes.aborted = await codeOf(() => openCamera({ signal: controller.signal }))
  Object.defineProperty(navigator, 'mediaDevices', { value: undefined, configurable: true })
  codes.insecure = await codeOf(() => openCamera())
  return codes
}

/** What the fake camera's two halves become, as they are and mirrored. */
export const playCamera = async (worker: boolean): Promise<Record<string, Colour[]>> => {
  const camera = await openCamera({ width: 160, height: 120 })
  const effect = await load('whole', { worker })
  const { player, canvas, more } = play(effect, camera)
  await more(2)
  const plain = halves(canvas)
  player.mirror = true
  await more(2)
  const mirrored = halves(canvas)
  player.stop()
  camera.stop()
  effect.dispose()
  return { plain, mirrored }
}

/** How much younger the next frame of a camera is than one that a worker has had for half a second, ms. */
export const takeSlowly = async (): Promise<number> => {
  const camera = await openCamera()
  const feed = trackFeed(camera.track)
  const first = (await feed.next())!.frame as VideoFrame
  const { timestamp } = first
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(first, [first])
  await sleep(500)
  const second = (await feed.next())!.frame as VideoFrame
  const younger = second.timestamp - timestamp
  second.close()
  feed.stop()
  camera.stop()
  port2.onmessage = ({ data }) => data.close()
  return younger / 1000
}

/** A camera that goes and comes, is switched, and stops. */
export const cameraComesAndGoes = async () => {
  const camera = await openCamera()
  const effect = await load('whole')
  const { player, states, frames, more } = play(effect, camera)
  await more(2)
  const changes: string[] = []
  camera.onChange(() => changes.push(camera.state))
  failWith('NotFoundError')
  const lose = (): void => {
    // A script's own stop tells nobody, so the test tells what a pulled plug would.
    camera.track.stop()
    camera.track.dispatchEvent(new Event('ended'))
  }
  const lost = camera.track
  lose()
  await sleep(200)
  const painted = frames()
  await sleep(300)
  const idle = frames() - painted
  navigator.mediaDevices.dispatchEvent(new Event('devicechange'))
  await sleep(50)
  const still = camera.state
  failWith(undefined)
  navigator.mediaDevices.dispatchEvent(new Event('devicechange'))
  await until('the camera is back', () => camera.state === 'live')
  await more(2)
  const { deviceId } = camera.track.getSettings()
  const before = camera.track
  await camera.switchTo(deviceId!)
  await more(2)
  const switched = { another: camera.track !== before, ended: before.readyState }
  const wrong = await codeOf(() => camera.switchTo('no such device'))
  await more(2)
  // Lost and found at once.
  lose()
  await until('the camera is back at once', () => camera.state === 'live')
  await more(2)
  const devices = (await camera.devices()).map(({ kind }) => kind)
  camera.stop()
  await player.done
  effect.dispose()
  return {
    idle,
    still,
    changes,
    switched,
    wrong,
    devices,
    states: states.map(({ kind, reason }) => `${kind} ${reason}`),
    tracks: [lost, camera.track].map(({ readyState }) => readyState),
  }
}
