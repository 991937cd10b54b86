import type { Effect } from '@fx/runtime-web'

const canvasOf = (name: string, width: number, height: number): HTMLCanvasElement =>
  Object.assign(document.createElement('canvas'), { className: name, width, height })

/** The original, cut as the effect cuts it. */
const drawOriginal = (image: HTMLImageElement, canvas: HTMLCanvasElement): void => {
  const { naturalWidth: width, naturalHeight: height } = image
  const crop = Math.min(width, height)
  const side = canvas.width
  const context = canvas.getContext('2d')!
  context.imageSmoothingQuality = 'high'
  context.drawImage(image, (width - crop) / 2, (height - crop) / 2, crop, crop, 0, 0, side, side)
}

/** A picture before (left of the line) and after (right of it); the line follows the pointer or the arrow keys. */
const compare = async (effect: Effect, image: HTMLImageElement, name: string): Promise<HTMLElement> => {
  const before = canvasOf('before', 384, 384)
  // The student's own pixels; the style sheet enlarges them.
  const { width, height } = effect.manifest.input
  const after = canvasOf('after', width, height)
  drawOriginal(image, before)
  await effect.draw(image, after)
  const slider = document.createElement('input')
  slider.type = 'range'
  slider.value = '50'
  slider.setAttribute('aria-label', `${name}: how much of the original is shown`)
  const figure = document.createElement('div')
  figure.className = 'compare'
  const show = (): void => figure.style.setProperty('--split', `${slider.value}%`)
  slider.addEventListener('input', show)
  show()
  figure.append(after, before, slider)
  return figure
}

const load = async (url: string): Promise<HTMLImageElement> => {
  const image = new Image()
  image.src = url
  await image.decode()
  return image
}

/** Shows pictures with the effect, in their order. */
export const showSamples = async (effect: Effect, gallery: HTMLElement, urls: readonly string[]): Promise<void> => {
  for (const [i, url] of urls.entries()) gallery.append(await compare(effect, await load(url), `Portrait ${i + 1}`))
}

/** Shows a picture of the visitor's before the others. */
export const showFile = async (effect: Effect, gallery: HTMLElement, file: File): Promise<void> => {
  const url = URL.createObjectURL(file)
  try {
    gallery.prepend(await compare(effect, await load(url), file.name))
  } finally {
    URL.revokeObjectURL(url)
  }
}
