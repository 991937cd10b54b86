export { details, duration, escapeHtml, type FigureTile, figureTiles, json, table, thousands } from './report/html.js'
export { type ReportPage, reportPage } from './report/page.js'
export { type PictureRow, pictureRows } from './report/pictures.js'
