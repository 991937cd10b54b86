import * as tf from '@tensorflow/tfjs-core'
import { openCamera } from '../../src/index.js'
import { halves, load, newCanvas, picture, play, sleep, until } from './page.js'

/** An engine dies; the player goes on with the next. */
export const loseContext = async () => {
  const options = { worker: false, engine: ['webgl', 'wasm'] as const }
  const chosen = await load('whole', options)
  chosen.dispose()
  // The faster one was remembered; the test needs the one that can be lost.
  const [key, remembered] = Object.entries(localStorage).find(([key]) => key.startsWith('@fx/runtime-web'))!
  const asChosen = remembered === chosen.stats().engine
  localStorage.setItem(key, 'webgl')
  const effect = await load('whole', options)
  const first = effect.stats().engine
  const { player, canvas, states, more } = play(effect, picture(64))
  await more(2)
  const { gl } = (tf.findBackend('webgl') as unknown as { gpgpu: { gl: WebGL2RenderingContext } }).gpgpu
  gl.getExtension('WEBGL_lose_context')!.loseContext()
  await until('another engine has taken over', () => states.some(({ reason }) => reason === 'engine-changed'))
  await more(2)
  const { engine } = player.stats()
  const colours = halves(canvas)
  player.stop()
  effect.dispose()
  return {
    asChosen,
    first,
    engine,
    colours,
    message: states.find(({ reason }) => reason === 'engine-changed')!.message,
  }
}

/** A budget that nothing meets, then the tensors that are left. */
export const adapt = async (worker: boolean) => {
  const effect = await load('whole', { worker })
  const first = play(effect, picture(64))
  await first.more(3)
  const before = first.player.stats().memory
  first.player.stop()
  const { player, canvas, states, more } = play(effect, picture(64), { frameBudgetMs: 0.01 })
  await until('the smallest student runs', () => player.stats().quality.size.width === 8)
  await more(3)
  const { quality } = player.stats()
  const colours = halves(canvas)
  const during = player.stats().memory
  player.stop()
  const last = play(effect, picture(64))
  await last.more(3)
  const after = last.player.stats().memory
  last.player.stop()
  effect.dispose()
  const told = states.filter(({ reason }) => reason === 'quality-changed').length
  return { before, during, after, told, colours, changes: quality.changes, frameRate: quality.frameRate }
}

/** The canvas as a track, and its end. */
export const trackOf = async (worker: boolean) => {
  const effect = await load('whole', { worker })
  const { player, more } = play(effect, picture(64))
  const track = player.track()
  const video = Object.assign(document.createElement('video'), { muted: true, srcObject: new MediaStream([track]) })
  void video.play().catch(() => {})
  await more(5)
  await until('the track has a picture', () => video.videoWidth > 0 && video.currentTime > 0)
  const canvas = newCanvas(64)
  canvas.getContext('2d')!.drawImage(video, 0, 0, 64, 64)
  const shown = halves(canvas)
  const live = track.readyState
  player.stop()
  const offscreen = play(effect, picture(64), {}, new OffscreenCanvas(64, 64) as unknown as HTMLCanvasElement)
  let code = ''
  try {
    offscreen.player.track()
  } catch (error) {
    code = (error as { code: string }).code
  }
  offscreen.player.stop()
  effect.dispose()
  return { shown, live, ended: track.readyState, code }
}

/** Stops at any moment, and disposes at any moment. */
export const stopAnywhere = async (worker: boolean) => {
  const camera = await openCamera()
  const tensors = tf.engine().state.numTensors
  for (let i = 0; i < 12; i++) {
    const effect = await load('square', { worker })
    const { player } = play(effect, i % 2 === 0 ? camera : picture(64))
    await sleep(i * 6)
    const used = i % 3 === 0 ? player.use(effect) : Promise.resolve(false)
    if (i % 4 < 2) player.stop()
    effect.dispose()
    await player.done
    player.stop()
    await used
  }
  camera.stop()
  const scope = globalThis as { gc?: () => void }
  for (let i = 0; i < 3; i++) {
    scope.gc?.()
    await sleep(50)
  }
  return { collected: scope.gc !== undefined, left: tf.engine().state.numTensors - tensors }
}

/** Per stage, what a player tells of itself. */
export const statsOf = async () => {
  const effect = await load('whole')
  const { player, canvas, more, states } = play(effect, picture(64))
  await more(10)
  const stats = player.stats()
  const infos = states.map(({ kind, reason }) => `${kind} ${reason}`)
  canvas.width = 0
  await sleep(50)
  canvas.width = 64
  await more(2)
  player.stop()
  const failing = play(effect, new ReadableStream<VideoFrame>({ start: c => c.error(new Error('the stream broke')) }))
  const failure = await failing.player.done.catch((error: Error) => error.message)
  effect.dispose()
  return { stats, infos, failure, told: failing.states.at(-1)?.kind }
}
