import { FxEffectElement, type ShowState } from '../../src/element/index.js'

FxEffectElement.defaults = { engine: 'wasm', threads: 1, wasmPaths: '/wasm/' }

/** Every camera track that was opened. */
const tracks: MediaStreamTrack[] = []
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
const opened = async (constraints?: MediaStreamConstraints): Promise<MediaStream> => {
  const stream = await open(constraints)
  tracks.push(...stream.getVideoTracks())
  return stream
}
navigator.mediaDevices.getUserMedia = opened

/** What the element's tests call in the page. */
const tools = {
  states: [] as ShowState[],
  element: (index = 0): FxEffectElement => document.querySelectorAll('fx-effect')[index]!,
  /** The colour of the picture at a place, from 0 to 1 across, and how opaque it is. */
  colourAt: (x: number, index = 0): number[] => {
    const { canvas } = tools.parts(index)
    const context = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d')!
    context.drawImage(canvas, 0, 0)
    return [...context.getImageData(Math.floor(x * canvas.width), canvas.height >> 1, 1, 1).data]
  },
  parts: (index = 0) => {
    const canvas = tools.element(index).shadowRoot!.querySelector('canvas')!
    return { canvas, width: canvas.width, height: canvas.height }
  },
  /** Lets the camera fail with a DOMException of this name; an empty one leaves it waiting, undefined lets it work again. */
  failCamera: (name?: string): void => {
    const failing = () => (name === '' ? new Promise<never>(() => {}) : Promise.reject(new DOMException('no', name)))
    navigator.mediaDevices.getUserMedia = name === undefined ? opened : failing
  },
  /** A script's own stop tells nobody, so this tells what a pulled plug would. */
  loseCamera: (): void => {
    const track = tracks.at(-1)!
    track.stop()
    track.dispatchEvent(new Event('ended'))
  },
  plugIn: (): boolean => navigator.mediaDevices.dispatchEvent(new Event('devicechange')),
  liveTracks: (): number => tracks.filter(({ readyState }) => readyState === 'live').length,
  /** A picture that is dark on its left, bright on its right. */
  picture: (width: number, height: number): HTMLCanvasElement => {
    const canvas = Object.assign(document.createElement('canvas'), { width, height })
    const context = canvas.getContext('2d')!
    for (const [i, grey] of [60, 180].entries()) {
      context.fillStyle = `rgb(${grey} ${grey} ${grey})`
      context.fillRect((i * width) / 2, 0, width / 2, height)
    }
    return canvas
  },
  /** The least opaque that the picture is, looked at before every repaint until the promise settles. */
  leastOpaque: async (until: Promise<unknown>): Promise<number> => {
    let least = 255
    let done = false
    const look = (): void => {
      least = Math.min(least, tools.colourAt(0.25)[3]!)
      if (!done) requestAnimationFrame(look)
    }
    look()
    await until
    done = true
    return least
  },
  /** The next state of this reason. */
  next: (reason: string, index = 0): Promise<void> =>
    new Promise(resolve => {
      const element = tools.element(index)
      element.addEventListener('fx-state', function listen({ detail }) {
        if (detail.reason !== reason) return
        element.removeEventListener('fx-state', listen as EventListener)
        resolve()
      })
    }),
}

document.addEventListener('fx-state', event => tools.states.push((event as CustomEvent<ShowState>).detail))

declare global {
  var harness: ElementHarness
}
export type ElementHarness = typeof tools

Object.assign(globalThis, { harness: tools })
