import { naturalImages } from '@fx/teacher-adapters/procedural'

const frameRate = 30

const width = 640
const height = 480
const stills = 6
/** Frames for which each still is shown. */
const shown = 5

/** One frame of a y4m, 4:2:0: the middle rows of a square picture. JPEG's YCbCr (ITU-T T.871), chroma of each block's corner. */
const frameOf = (rgb: Uint8Array): Buffer => {
  const luma = Buffer.alloc(width * height)
  const [blue, red] = [Buffer.alloc((width * height) / 4), Buffer.alloc((width * height) / 4)]
  const top = (width - height) / 2
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = ((y + top) * width + x) * 3
      const [r, g, b] = [rgb[at]!, rgb[at + 1]!, rgb[at + 2]!]
      const bright = 0.299 * r + 0.587 * g + 0.114 * b
      luma[y * width + x] = bright
      if (x % 2 === 1 || y % 2 === 1) continue
      const half = (y / 2) * (width / 2) + x / 2
      blue[half] = Math.min(255, 128 + (b - bright) / 1.772)
      red[half] = Math.min(255, 128 + (r - bright) / 1.402)
    }
  }
  return Buffer.concat([Buffer.from('FRAME\n'), luma, blue, red])
}

/** A y4m of 640 x 480 pixels, made of stills with the statistics of photographs: what Chromium's fake camera shows, in a loop. */
export const fakeCamera = (): Buffer => {
  const frames = Array.from({ length: stills }, (_, seed) => frameOf(naturalImages({ seed, size: width }).data))
  const header = `YUV4MPEG2 W${width} H${height} F${frameRate}:1 Ip A1:1 C420jpeg\n`
  return Buffer.concat([Buffer.from(header), ...frames.flatMap(frame => Array<Buffer>(shown).fill(frame))])
}
