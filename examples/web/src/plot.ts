import type uPlot from 'uplot'
import { element, make, reducedMotion } from './element.js'

/** What a frame may take at 30 frames in a second, ms. */
const budgetMs = 1000 / 30
const shownSeconds = 10
const height = 150

interface Line {
  name: string
  times: number[]
  ms: number[]
}

const dark = matchMedia('(prefers-color-scheme: dark)')
const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
/** Of the lines, in their order. */
const lineColours = ['--accent', '--second']

/** Frames of several lines on one axis of time: a line has a gap at the others' frames, which uPlot bridges. */
const aligned = (lines: readonly Line[], now: number): uPlot.AlignedData => {
  const points = lines.flatMap(({ times, ms }, line) =>
    times.map((time, i) => ({ x: (time - now) / 1000, line, ms: ms[i]! })),
  )
  points.sort((a, b) => a.x - b.x)
  return [
    points.map(({ x }) => x),
    ...lines.map((_, line) => points.map(point => (point.line === line ? point.ms : undefined))),
  ]
}

/** The latency of the last seconds, each frame a point, with the budget as a line. */
export const createPlot = async () => {
  const { default: Plot } = await import('uplot')
  await import('uplot/dist/uPlot.min.css')
  const root = element('plot')
  let lines: Line[] = []
  let plot: uPlot | undefined
  let drawnAt = 0
  let request = 0

  const highest = (): number => Math.max(...lines.flatMap(({ ms }) => ms), 0)

  const build = (): void => {
    plot?.destroy()
    const soft = colour('--soft')
    const grid = { stroke: colour('--line'), width: 1 }
    const budget: uPlot.Plugin = {
      hooks: {
        draw: ({ ctx, bbox, valToPos }) => {
          const y = Math.round(valToPos(budgetMs, 'y', true))
          ctx.save()
          ctx.strokeStyle = soft
          ctx.setLineDash([6, 5])
          ctx.beginPath()
          ctx.moveTo(bbox.left, y)
          ctx.lineTo(bbox.left + bbox.width, y)
          ctx.stroke()
          ctx.restore()
        },
      },
    }
    plot = new Plot(
      {
        width: root.clientWidth,
        height,
        legend: { show: false },
        cursor: { show: false },
        padding: [8, 14, 0, 0],
        scales: {
          x: { time: false, range: [-shownSeconds, 0] },
          y: { range: () => [0, Math.max(1.25 * budgetMs, 1.1 * highest())] },
        },
        axes: [
          {
            stroke: soft,
            grid: { show: false },
            ticks: { show: false },
            size: 24,
            values: (_, at) => at.map(s => (s === 0 ? 'now' : `${s} s`)),
          },
          { stroke: soft, grid, ticks: { show: false }, size: 44 },
        ],
        series: [
          {},
          ...lines.map((_, i) => ({
            stroke: colour(lineColours[i]!),
            width: 2,
            spanGaps: true,
            points: { show: false },
          })),
        ],
        plugins: [budget],
      },
      aligned(lines, performance.now()),
      root,
    )
  }

  const draw = (now: number): void => {
    request = 0
    if (now - drawnAt < (reducedMotion.matches ? 1000 : 100)) return
    drawnAt = now
    for (const line of lines) {
      const first = line.times.findIndex(time => now - time < 1000 * shownSeconds)
      line.times.splice(0, first < 0 ? line.times.length : first)
      line.ms.splice(0, first < 0 ? line.ms.length : first)
    }
    plot?.setData(aligned(lines, now))
  }

  dark.addEventListener('change', build)
  new ResizeObserver(() => plot?.setSize({ width: root.clientWidth, height })).observe(root)

  return {
    /** Begins anew, with a line for each name. */
    lines: (names: readonly string[]): void => {
      lines = names.map(name => ({ name, times: [], ms: [] }))
      const keys = names.map((name, i) => {
        const key = make('span', { className: 'key', textContent: names.length > 1 ? name : 'taken to shown, ms' })
        key.style.setProperty('--colour', `var(${lineColours[i]})`)
        return key
      })
      const limit = make('span', {
        className: 'key limit',
        textContent: `${budgetMs.toFixed(0)} ms for 30 frames a second`,
      })
      element('legend').replaceChildren(...keys, limit)
      build()
    },
    add: (line: number, ms: number): void => {
      lines[line]?.times.push(performance.now())
      lines[line]?.ms.push(ms)
      if (request === 0) request = requestAnimationFrame(draw)
    },
  }
}
