import { type Effect, type EffectPlayer, playEffect } from '@fx/runtime-web'

/** A camera that is running. */
export interface Camera {
  stop(): void
  /** As of the player: rejects with what ended it. */
  done: Promise<void>
}

/** Frames shown in the last second. */
const rate = (): (() => number) => {
  const times: number[] = []
  return () => {
    const now = performance.now()
    times.push(now)
    while (now - times[0]! > 1000) times.shift()
    return times.length
  }
}

/** Asks for the camera and paints the effect of its frames onto the canvas. */
export const startCamera = async (
  effect: Effect,
  video: HTMLVideoElement,
  canvas: HTMLCanvasElement,
  readout: HTMLElement,
): Promise<Camera> => {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { facingMode: 'user', width: { ideal: 640 }, height: { ideal: 480 } },
  })
  const release = (): void => {
    for (const track of stream.getTracks()) track.stop()
    video.srcObject = null
  }
  let player: EffectPlayer
  try {
    video.srcObject = stream
    await video.play()
    canvas.width = canvas.height = 512
    const frames = rate()
    player = playEffect(effect, video, canvas, {
      onFrame: () => {
        const { lastMs, p50Ms, p95Ms } = effect.stats()
        const ms = (value: number): string => `${value.toFixed(1)} ms`
        readout.textContent = `${frames()} frames a second, last ${ms(lastMs)}, p50 ${ms(p50Ms)}, p95 ${ms(p95Ms)}`
      },
    })
  } catch (error) {
    release()
    throw error
  }
  return { stop: player.stop, done: player.done.finally(release) }
}
