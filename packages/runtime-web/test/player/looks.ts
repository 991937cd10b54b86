import { createCompositor } from '../../src/frame/compositor.js'
import { type CropBox, drawCrop } from '../../src/frame/crop.js'
import type { Face, FaceDetector } from '../../src/index.js'
import { landmarksAt } from '../synthetic-face.js'
import { type Colour, colourAt, halves, load, newCanvas, picture, play, sleep } from './page.js'

const still = (width: number, height = width): ImageData =>
  picture(width, height).getContext('2d')!.getImageData(0, 0, width, height)

/** What each change of a playing still leaves on the canvas. */
export const changeLooks = async (worker: boolean) => {
  const effect = await load('whole', { worker })
  const { player, canvas, more } = play(effect, still(64))
  const seen: Record<string, Colour[]> = {}
  const note = async (name: string, change: () => void): Promise<void> => {
    change()
    await more(1)
    seen[name] = halves(canvas)
  }
  await note('effect', () => {})
  await note('none', () => effect.set({ strength: 0 }))
  await note('half', () => effect.set({ strength: 0.5 }))
  await note('effect again', () => effect.set({ strength: 1 }))
  await note('mixed', () => {
    player.mix = 0.5
  })
  await note('split', () => {
    player.mix = 1
    player.split = 0.5
  })
  seen.line = [colourAt(canvas, 0.5)]
  await note('mirrored', () => {
    player.split = undefined
    player.mirror = true
  })
  await note('resized', () => {
    canvas.width = 30
    canvas.height = 80
  })
  const errors = ['strength', 'split', 'mix'].map(name => {
    try {
      if (name === 'strength') effect.set({ strength: 2 })
      else if (name === 'split') player.split = 2
      else player.mix = Number.NaN
      return ''
    } catch (error) {
      return (error as { code: string }).code
    }
  })
  player.stop()
  const on2d = newCanvas(64)
  on2d.getContext('2d')!.fillRect(0, 0, 1, 1)
  const second = play(effect, still(64), {}, on2d)
  await second.more(1)
  seen['2d'] = halves(on2d)
  second.player.stop()
  effect.dispose()
  return { seen, errors }
}

/** The darkest that a canvas was at any display frame while the player went from effect to effect. */
export const switchEffects = async (worker: boolean) => {
  const first = await load('whole', { worker })
  const second = await load('square', { worker })
  second.set({ strength: 0 })
  const { player, canvas, more } = play(first, picture(64))
  await more(2)
  let darkest = 255
  let watching = true
  const watch = (): void => {
    darkest = Math.min(darkest, ...halves(canvas).map(colour => Math.max(...colour)))
    if (watching) requestAnimationFrame(watch)
  }
  watch()
  const before = halves(canvas)
  const used = await player.use(second)
  const after = halves(canvas)
  first.dispose()
  await more(3)
  const [overtaken, again] = await Promise.all([player.use(second), player.use(second)])
  watching = false
  player.stop()
  const late = await player.use(second)
  second.dispose()
  return { darkest, before, after, used, overtaken, again, late }
}

/** Faces that the test chooses. */
const detector = (faces: () => readonly Face[]) => {
  let calls = 0
  let running = 0
  let most = 0
  const detect: FaceDetector['detect'] = async () => {
    calls++
    most = Math.max(most, ++running)
    await sleep(20)
    running--
    return faces()
  }
  return { detect, dispose: () => {}, calls: () => calls, most: () => most }
}

/** Where the effect is applied with faces, without, and without a detector. */
export const followFaces = async (worker: boolean) => {
  const effect = await load('face', { worker })
  let present: Face[] = [
    landmarksAt({ x: 50, y: 50, size: 40, roll: 0.5 }),
    landmarksAt({ x: 150, y: 50, size: 40, roll: 0 }),
  ]
  const faces = detector(() => present)
  const canvas = newCanvas(200, 100)
  const places = (): Colour[] => [0.25, 0.5, 0.75].map(x => colourAt(canvas, x))
  const { player, states, more } = play(effect, picture(200, 100), { faces }, canvas)
  const seen: Record<string, Colour[]> = {}
  while (faces.calls() < 3) await more(1)
  seen.faces = places()
  present = []
  await sleep(700)
  await more(2)
  seen.none = places()
  present = [landmarksAt({ x: 150, y: 50, size: 40, roll: 0 })]
  const { length } = states
  while (states.length === length) await more(1)
  await more(1)
  seen.found = places()
  const { stages, crop } = player.stats()
  player.stop()
  const without = play(effect, picture(200, 100), {}, canvas)
  await without.more(2)
  seen.square = [0.1, 0.35, 0.65, 0.9].map(x => colourAt(canvas, x))
  const plain = without.player.stats().crop
  without.player.stop()
  const reasons = states.map(({ kind, reason }) => `${kind} ${reason}`)
  const failing = play(effect, picture(200, 100), {
    faces: { detect: () => Promise.reject(new Error('no detector')), dispose: () => {} },
  })
  const failure = await failing.player.done.catch((error: Error) => error.message)
  effect.dispose()
  return { seen, crop, plain, detect: stages.detect.p50Ms, most: faces.most(), reasons, failure, last: failing.states }
}

/** A still with a face is looked at once, and painted again when the answer comes. */
export const stillFace = async () => {
  const effect = await load('face')
  const faces = detector(() => [landmarksAt({ x: 50, y: 50, size: 40, roll: 0 })])
  const canvas = newCanvas(200, 100)
  const { player, more, frames } = play(effect, still(200, 100), { faces }, canvas)
  await more(2)
  const after = colourAt(canvas, 0.25)
  await sleep(300)
  const result = { after, calls: faces.calls(), frames: frames() }
  player.stop()
  effect.dispose()
  return result
}

/** Largest and mean difference from a smooth frame when a turned crop is put back unchanged, inside its box. */
export const warpBack = async (angle: number) => {
  const frame = new OffscreenCanvas(160, 120)
  const context = frame.getContext('2d')!
  for (let x = 0; x < 160; x++) {
    for (let y = 0; y < 120; y++) {
      context.fillStyle = `rgb(${x} ${2 * y} ${(x + y) / 2})`
      context.fillRect(x, y, 1, 1)
    }
  }
  const size = { width: 160, height: 120 }
  const bitmap = await createImageBitmap(frame)
  const box: CropBox = { x: 80, y: 60, width: 64, height: 64, angle }
  const patch = new OffscreenCanvas(64, 64)
  const patchContext = patch.getContext('2d')!
  drawCrop(patchContext, bitmap, size, box)
  const compositor = createCompositor()
  compositor.begin(bitmap, size, { ...size, view: [1, 0, 0, 1, 0, 0], split: undefined, mix: 1 }, false)
  compositor.patch(patch, box, true)
  const read = (image: CanvasImageSource): Uint8ClampedArray => {
    const copy = newCanvas(160, 120).getContext('2d')!
    copy.drawImage(image, 0, 0)
    return copy.getImageData(0, 0, 160, 120).data
  }
  const [before, after] = [read(bitmap), read(compositor.finish())]
  const differences = Array.from(before, (value, i) => Math.abs(value - after[i]!))
  // A patch of one colour shows where it lies, and how its edge fades.
  patchContext.fillStyle = 'rgb(255 255 255)'
  patchContext.fillRect(0, 0, 64, 64)
  compositor.begin(bitmap, size, { ...size, view: [1, 0, 0, 1, 0, 0], split: undefined, mix: 1 }, false)
  compositor.patch(patch, box, true)
  const white = read(compositor.finish())
  const across = Array.from({ length: 33 }, (_, i) => {
    const [x, y] = [Math.round(80 + i * Math.cos(angle)), Math.round(60 + i * Math.sin(angle))]
    const at = (y * 160 + x) * 4 + 2
    return (white[at]! - before[at]!) / (255 - before[at]!)
  })
  return { worst: Math.max(...differences), across }
}
