import { dataUri, escapeHtml } from './html.js'

/** One row of pictures with a line of words below. */
export interface PictureRow {
  /** Square pictures, one under each head. */
  pictures: readonly { png: Uint8Array; size: number; alt: string }[]
  caption: string
}

/** Rows of four pictures under four heads, in two columns where the screen is wide enough. */
export const pictureRows = (heads: readonly string[], rows: readonly PictureRow[]): string => {
  // One row of headings for each column; on a narrow screen there is one column, and the second is hidden.
  const heading = `<div class="row heads">${heads.map(head => `<span>${escapeHtml(head)}</span>`).join('')}</div>`
  return `<div class="samples">${heading}${heading}${rows.map(rowHtml).join('')}</div>`
}

const rowHtml = ({ pictures, caption }: PictureRow): string => {
  const images = pictures.map(
    ({ png, size, alt }) => `<img alt="${escapeHtml(alt)}" width="${size}" height="${size}" src="${dataUri(png)}">`,
  )
  return `<figure class="sample"><div class="row">${images.join('')}</div><figcaption>${escapeHtml(caption)}</figcaption></figure>`
}
