import { FxError } from '@fx/core'
import type { RgbImage } from '../../contract/types.js'
import { decodePng } from '../../image/png.js'

/** Named apart from its import, so that no bundler for the browser follows it into native code. */
const SHARP = 'sharp'

/** Larger answers are refused before anything is allocated. */
const MAX_PIXELS = 8192 * 8192

const startsWith = (bytes: Uint8Array, text: string, at = 0): boolean =>
  [...text].every((char, i) => bytes[at + i] === char.charCodeAt(0))

/** What an image is, by its first bytes: services are known to name PNGs JPEG and the other way round. */
const formatOf = (bytes: Uint8Array): 'png' | 'jpeg' | 'webp' | undefined => {
  if (startsWith(bytes, '\x89PNG\r\n\x1a\n')) return 'png'
  if (startsWith(bytes, '\xff\xd8\xff')) return 'jpeg'
  if (startsWith(bytes, 'RIFF') && startsWith(bytes, 'WEBP', 8)) return 'webp'
  return undefined
}

/**
 * A PNG, JPEG or WebP as RGB. Transparent pixels are laid over white; a JPEG is turned as its EXIF says.
 *
 * @throws FxError `corrupt-file`; `missing-package` for a JPEG or WebP without `sharp`.
 */
export const decodeAnswer = async (bytes: Uint8Array): Promise<RgbImage> => {
  const name = "The service's image"
  const format = formatOf(bytes)
  if (format === 'png') return decodePng(bytes, { name, maxPixels: MAX_PIXELS })
  if (!format) {
    throw new FxError('corrupt-file', `${name} is no PNG, JPEG or WebP: ${bytes.length} bytes that begin otherwise`)
  }
  const { default: sharp } = await (import(/* @vite-ignore */ SHARP) as Promise<typeof import('sharp')>).catch(
    cause => {
      throw new FxError('missing-package', `The service answers in ${format.toUpperCase()}: npm install sharp`, {
        cause,
      })
    },
  )
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels: MAX_PIXELS, failOn: 'warning' })
      .rotate()
      .toColourspace('srgb')
      .flatten({ background: 'white' })
      .raw()
      .toBuffer({ resolveWithObject: true })
    if (info.channels !== 3) throw new Error(`it has ${info.channels} channels`)
    return { width: info.width, height: info.height, data: new Uint8Array(data) }
  } catch (cause) {
    throw new FxError('corrupt-file', `${name} is not a whole ${format.toUpperCase()}: ${(cause as Error).message}`, {
      cause,
    })
  }
}
