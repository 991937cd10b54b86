import type { EffectPlayer } from '@fx/runtime-web'
import { make } from './element.js'

const download = (blob: Blob, name: string): void => {
  const href = URL.createObjectURL(blob)
  make('a', { href, download: name }).click()
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(href), 10_000)
}

/** Saves what the canvases show, beside each other. */
export const saveSnapshot = async (canvases: readonly HTMLCanvasElement[], name: string): Promise<void> => {
  const width = canvases.reduce((sum, canvas) => sum + canvas.width, 0)
  const height = Math.max(...canvases.map(canvas => canvas.height))
  const context = new OffscreenCanvas(width, height).getContext('2d')!
  let x = 0
  for (const canvas of canvases) {
    context.drawImage(canvas, x, 0)
    x += canvas.width
  }
  download(await context.canvas.convertToBlob({ type: 'image/png' }), `${name}.png`)
}

const formats = ['video/mp4', 'video/webm']

/** Whether this browser can record. */
export const canRecord = (): boolean =>
  typeof MediaRecorder !== 'undefined' && 'captureStream' in HTMLCanvasElement.prototype

/** Records what a player paints, until it is stopped; then it is saved. */
export const startRecording = (player: EffectPlayer, name: string): { stop(): void; done: Promise<void> } => {
  const mimeType = formats.find(format => MediaRecorder.isTypeSupported(format))
  const recorder = new MediaRecorder(new MediaStream([player.track()]), { mimeType })
  const parts: Blob[] = []
  recorder.addEventListener('dataavailable', ({ data }) => parts.push(data))
  const done = new Promise<void>(resolve =>
    recorder.addEventListener('stop', () => {
      const type = recorder.mimeType.split(';')[0]!
      download(new Blob(parts, { type }), `${name}.${type.split('/')[1]}`)
      resolve()
    }),
  )
  recorder.start()
  return { stop: () => recorder.state !== 'inactive' && recorder.stop(), done }
}
