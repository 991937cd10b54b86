import type { FoundCandidate } from './search.js'

interface Point {
  id: string
  ms: number
  figure: number
}

const [width, height] = [720, 420]
const margin = { left: 72, right: 24, top: 24, bottom: 52 }

/** Points that no other beats in both: fastest first, each better than all before it. */
export const paretoFront = <P extends Pick<Point, 'ms' | 'figure'>>(points: readonly P[]): P[] => {
  let best = Number.POSITIVE_INFINITY
  return [...points]
    .sort((a, b) => a.ms - b.ms || a.figure - b.figure)
    .filter(({ figure }) => {
      if (figure >= best) return false
      best = figure
      return true
    })
}

/** Round numbers within a range, some five of them. */
const ticks = (from: number, to: number): number[] => {
  const rough = (to - from) / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5, 10].find(each => each * power >= rough) ?? 10)
  const first = Math.ceil(from / step)
  return Array.from({ length: Math.floor(to / step) - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(6)),
  )
}

/** A line from the lowest to the highest value, with room at both ends, on the pixels given. */
const axis = (values: readonly number[], [start, end]: readonly [number, number]) => {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const room = (high - low || Math.abs(high) || 1) * 0.1
  const [from, to] = [low - room, high + room]
  return {
    from,
    to,
    at: (value: number): string => (start + ((value - from) / (to - from)) * (end - start)).toFixed(1),
  }
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/** Latency against the held-out figure of all that were trained to the end, the best of them for any latency, and the budget. */
export const paretoSvg = (
  finalists: readonly FoundCandidate[],
  best: FoundCandidate,
  { budgetMs, tolerance }: { budgetMs: number; tolerance: number },
): string => {
  const points = finalists
    .map(({ id, finalMs, figures }): Point => ({ id, ms: finalMs!, figure: figures.at(-1)!.figure }))
    .filter(({ figure }) => Number.isFinite(figure))
  const [left, right] = [margin.left, width - margin.right]
  const [bottom, top] = [height - margin.bottom, margin.top]
  const x = axis([...points.map(({ ms }) => ms), budgetMs * (1 - tolerance), budgetMs * (1 + tolerance)], [left, right])
  const y = axis(points.length > 0 ? points.map(({ figure }) => figure) : [0, 1], [bottom, top])
  const front = paretoFront(points)
  const grid = [
    ...ticks(x.from, x.to).map(
      ms =>
        `<line x1="${x.at(ms)}" x2="${x.at(ms)}" y1="${top}" y2="${bottom}" class="grid"/><text x="${x.at(ms)}" y="${bottom + 18}" text-anchor="middle">${ms}</text>`,
    ),
    ...ticks(y.from, y.to).map(
      figure =>
        `<line x1="${left}" x2="${right}" y1="${y.at(figure)}" y2="${y.at(figure)}" class="grid"/><text x="${left - 8}" y="${y.at(figure)}" dy="4" text-anchor="end">${figure}</text>`,
    ),
  ]
  const band = { from: x.at(budgetMs * (1 - tolerance)), to: x.at(budgetMs * (1 + tolerance)) }
  const dots = points.map(({ id, ms, figure }) => {
    const chosen = id === best.id
    const label =
      chosen || id.startsWith('preset-')
        ? `<text x="${x.at(ms)}" y="${y.at(figure)}" dx="9" dy="4">${escaped(id)}</text>`
        : ''
    return `<circle cx="${x.at(ms)}" cy="${y.at(figure)}" r="${chosen ? 6 : 4}" class="${chosen ? 'best' : 'dot'}"><title>${escaped(id)}: ${ms.toFixed(2)} ms, ${figure.toFixed(4)}</title></circle>${label}`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#44464d">
<title>Latency and held-out figure of the finalists</title>
<style>.grid{stroke:#e4e2dc}.budget{stroke:#b3372f;stroke-dasharray:5 4}.front{fill:none;stroke:#3f7cf4;stroke-width:1.5}.dot{fill:#3f7cf4}.best{fill:#1a7f4b}</style>
<rect width="${width}" height="${height}" fill="#fff"/>
<rect x="${band.from}" y="${top}" width="${(Number(band.to) - Number(band.from)).toFixed(1)}" height="${bottom - top}" fill="#b3372f" opacity=".06"/>
${grid.join('\n')}
<line x1="${x.at(budgetMs)}" x2="${x.at(budgetMs)}" y1="${top}" y2="${bottom}" class="budget"/>
<text x="${x.at(budgetMs)}" y="${top - 8}" text-anchor="middle" fill="#b3372f">budget ${budgetMs.toPrecision(3)} ms</text>
<polyline points="${front.map(({ ms, figure }) => `${x.at(ms)},${y.at(figure)}`).join(' ')}" class="front"/>
${dots.join('\n')}
<text x="${(left + right) / 2}" y="${height - 12}" text-anchor="middle">median latency of one image, ms</text>
<text transform="translate(16 ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle">held-out figure, lower is better</text>
</svg>
`
}
