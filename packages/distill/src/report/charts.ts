import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { RunRecord } from '../run/record.js'
import { escapeHtml, scriptJson } from './html.js'
import { targets } from './targets.js'

/** One chart: points over training steps. */
interface Chart {
  title: string
  steps: number[]
  series: { label: string; values: (number | null)[]; dash?: boolean }[]
  /** Logarithmic, for figures that fall by orders of magnitude. */
  log?: boolean
}

const chartsOf = ({ history: { curve, evaluations }, evaluation }: RunRecord): Chart[] => {
  const onTheWay = evaluations[0]?.heldOut ?? evaluation.heldOut
  const judges = onTheWay === evaluation.heldOut ? '' : `, first ${onTheWay} pairs (last point: all)`
  const steps = curve.map(point => point.step)
  const names = [...new Set(curve.flatMap(point => Object.keys(point.terms)))]
  const scores = [...new Set(curve.flatMap(point => Object.keys(point.scores)))].filter(name => name !== 'loss')
  const heldOut = evaluations.map(point => point.step)
  const constant = (value: number): number[] => heldOut.map(() => value)
  return [
    {
      title: 'Training loss',
      steps,
      log: true,
      series: [
        { label: 'loss', values: curve.map(point => point.loss) },
        ...(names.length > 1
          ? names.map(name => ({ label: name, values: curve.map(point => point.terms[name] ?? null) }))
          : []),
      ],
    },
    ...(scores.length > 0
      ? [
          {
            title: 'Scores by the adversary',
            steps,
            series: scores.map(name => ({ label: name, values: curve.map(point => point.scores[name] ?? null) })),
          },
        ]
      : []),
    {
      title: `Held-out error where the effect acts, 1 = doing nothing${judges}`,
      steps: heldOut,
      series: [
        {
          label: 'student',
          values: evaluations.map(point => point.changedRegion.studentMae / point.changedRegion.doNothingMae),
        },
        { label: 'target', values: constant(targets.changedRatio), dash: true },
      ],
    },
    {
      title: `Held-out PSNR of the rest, dB${judges}`,
      steps: heldOut,
      series: [
        { label: 'student', values: evaluations.map(point => point.keptRegion.psnrDb) },
        { label: 'target', values: constant(targets.keptPsnrDb), dash: true },
      ],
    },
    {
      title: 'Gradient norm before clipping',
      steps,
      log: true,
      series: [{ label: 'norm', values: curve.map(point => point.gradientNorm) }],
    },
    {
      title: 'Learning rate',
      steps,
      series: [{ label: 'rate', values: curve.map(point => point.learningRate) }],
    },
  ]
}

/** Runs in the reader's browser. */
const script = `
const colours = ['#3f7cf4', '#e8743b', '#19a979', '#945ecf', '#d4a017', '#13a4b4'];
const dark = matchMedia('(prefers-color-scheme: dark)').matches;
const [ink, grid] = dark ? ['#9a9ca5', '#33363d'] : ['#6b6c72', '#e4e2dc'];
const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: '12px system-ui' };
const short = value => value === null ? '' : Math.abs(value) >= 0.01 || value === 0 ? String(+value.toPrecision(3)) : value.toExponential(1);
for (const [index, chart] of JSON.parse(document.getElementById('chart-data').textContent).entries()) {
  const holder = document.getElementById('chart-' + index);
  const plot = new uPlot({
    width: holder.clientWidth, height: 220,
    scales: { x: { time: false }, y: { distr: chart.log ? 3 : 1 } },
    axes: [axis, { ...axis, size: 58, values: (_, ticks) => ticks.map(short) }],
    series: [{ label: 'step' }, ...chart.series.map(({ label, dash }, i) => ({
      label, stroke: dash ? ink : colours[i % colours.length], width: dash ? 1 : 2, dash: dash ? [5, 5] : undefined,
      points: { show: chart.steps.length < 25 && !dash }, spanGaps: true, value: (_, value) => short(value),
    }))],
  }, [chart.steps, ...chart.series.map(({ values }) => values)], holder);
  new ResizeObserver(() => plot.setSize({ width: holder.clientWidth, height: 220 })).observe(holder);
}
`

/** The curves as HTML that needs no network: uPlot stands inside it. */
export const chartsHtml = async (record: RunRecord): Promise<string> => {
  const require = createRequire(import.meta.url)
  const library = await readFile(require.resolve('uplot/dist/uPlot.iife.min.js'), 'utf8')
  const css = await readFile(require.resolve('uplot/dist/uPlot.min.css'), 'utf8')
  const charts = chartsOf(record)
  const holders = charts.map(
    ({ title }, index) => `<div class="chart"><h3>${escapeHtml(title)}</h3><div id="chart-${index}"></div></div>`,
  )
  return `<style>${css}</style><div class="charts">${holders.join('')}</div>
<noscript>The curves need JavaScript; their figures are in run.json.</noscript>
<script type="application/json" id="chart-data">${scriptJson(charts)}</script>
<script>${library}</script><script>${script}</script>`
}
