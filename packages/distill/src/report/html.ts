const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Text made safe for HTML content and attributes. */
export const escapeHtml = (text: unknown): string => String(text).replace(/[&<>"']/g, character => entities[character]!)

/** JSON that can stand inside a script element. */
export const scriptJson = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c')

/** A PNG as an address that holds it. */
export const dataUri = (png: Uint8Array): string => `data:image/png;base64,${Buffer.from(png).toString('base64')}`

/** A table; cells are plain text. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<table><thead><tr>${head.map(cell => `<th>${escapeHtml(cell)}</th>`).join('')}</tr></thead>` +
  `<tbody>${rows.map(row => `<tr>${row.map(cell => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`).join('')}</tbody></table>`

/** A figure in large type, and whether it met what was asked of it. Plain text. */
export interface FigureTile {
  value: string
  label: string
  note: string
  met: boolean
}

/** Figures side by side, as many as the screen holds. */
export const figureTiles = (tiles: readonly FigureTile[]): string => {
  const tile = ({ value, label, note, met }: FigureTile): string =>
    `<div class="figure"><b class="${met ? 'met' : 'missed'}">${escapeHtml(value)}</b>${escapeHtml(label)}` +
    `<small>${met ? '&#10003;' : '&#10007;'} ${escapeHtml(note)}</small></div>`
  return `<div class="figures">${tiles.map(tile).join('')}</div>`
}

/** Content that opens at a click; the content is HTML. */
export const details = (summary: string, content: string): string =>
  `<details><summary>${escapeHtml(summary)}</summary>${content}</details>`

/** A value as indented JSON. */
export const json = (value: unknown): string => `<pre>${escapeHtml(JSON.stringify(value, null, 2))}</pre>`

/** Seconds in words: `59.5 s`, `3 min 05 s`. */
export const duration = (seconds: number): string =>
  seconds < 60
    ? `${seconds.toFixed(1)} s`
    : `${Math.floor(seconds / 60)} min ${String(Math.floor(seconds % 60)).padStart(2, '0')} s`

/** A count with its thousands set apart: `12,345`. */
export const thousands = (value: number): string => value.toLocaleString('en')
