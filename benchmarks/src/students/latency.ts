import { seededRandom } from '@fx/core'
import { type Graph, importLayersModel, optimize } from '@fx/export'
import { encoderFamilies, mobilenetEncoder } from '@fx/mobilenet-encoder'
import { fitLatency, predictLatency, tfjsEngine, withoutWeights, withRandomWeights } from '@fx/search/latency'
import { decoderBlocks, heads, resolutions, skips, unetStudent } from '@fx/unet-student'
import { csvOf, machine, tableOf } from '../output.js'

export const LATENCY = 'student-latency'

const sizes = [64, 128, 256]

interface ZooStudent {
  size: number
  family: string
  width: number
  decoderWidth: number
  block: string
  blocks: number
  skip: string
  resolution: string
  head: string
  /** As it ships, without the values of its weights. */
  graph: Graph
}

/** Some of the zoo, each option drawn for itself; every family is met equally often. */
const drawn = async (count: number): Promise<ZooStudent[]> => {
  const random = seededRandom('student latency')
  const one = <T>(values: readonly T[]): T => values[random.integer(values.length)]!
  const students: ZooStudent[] = []
  for (let i = 0; i < count; i++) {
    const family = encoderFamilies[i % encoderFamilies.length]!
    const size = sizes[Math.floor(i / encoderFamilies.length) % sizes.length]!
    const width = one([0.25, 0.35, 0.5, 0.75, 1])
    const decoder = {
      width: one([0.25, 0.35, 0.5, 0.75]),
      block: one(decoderBlocks),
      blocks: one([0, 1, 2]),
      skip: one(skips),
      resolution: one(resolutions),
    }
    const head = one(heads)
    const student = unetStudent({ inputSize: size, encoder: mobilenetEncoder({ family, width }), decoder, head })
    const graph = withoutWeights(optimize(await importLayersModel(student.model)))
    student.dispose()
    students.push({ size, family, ...decoder, decoderWidth: decoder.width, width, head, graph })
  }
  return students
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

/**
 * Fits a latency model on students of the zoo, predicts others, measures those, prints a table, and returns the CSV.
 */
export const measureLatency = async (rounds: number): Promise<string> => {
  console.log('\nPredicted and measured latency over the zoo, wasm, one thread')
  const engine = await tfjsEngine({ backend: 'wasm', threads: 1 })
  const zoo = await drawn(6 * sizes.length * 6)
  const cut = 6 * sizes.length * 4
  const [known, unseen] = [zoo.slice(0, cut), zoo.slice(cut)]
  const model = await fitLatency({
    engine,
    graphs: known.map(({ graph }) => graph),
    operatorsPerKind: 36,
    wholeGraphs: 36,
    rounds,
    onProgress: (done, total) => {
      if (process.stderr.isTTY) process.stderr.write(`\r  operators and students measured: ${done}/${total}`)
    },
  })
  const rows: (string | number | boolean)[][] = []
  const errors: number[] = []
  for (const { graph, ...student } of unseen) {
    const { ms } = predictLatency(model, graph)
    const whole = [withRandomWeights(graph)]
    // What slows a machine only ever adds.
    const measured = Math.min(
      ...(await engine.measure(whole, { rounds })),
      ...(await engine.measure(whole, { rounds })),
    )
    errors.push((100 * Math.abs(ms - measured)) / measured)
    const { size, family, width, decoderWidth, block, blocks, skip, resolution, head } = student
    rows.push([size, family, width, decoderWidth, block, blocks, skip, resolution, head, ms.toFixed(3)])
    rows.at(-1)!.push(measured.toFixed(3), errors.at(-1)!.toFixed(1))
  }
  const { operators, graphs } = model.error
  const line = (name: string, percent: number | null, count: number): string[] => [
    name,
    percent === null ? '' : `${percent.toFixed(1)} %`,
    count.toString(),
  ]
  console.log(
    tableOf(
      ['median error', '', 'of'],
      [
        line('operators kept back', operators.medianPercent, operators.count),
        line('students kept back', graphs.medianPercent, graphs.count),
        line('students never seen', median(errors), errors.length),
      ],
    ),
  )
  const header =
    'size,family,width,decoder_width,block,blocks,skip,resolution,head,predicted_ms,measured_ms,error_percent'
  return csvOf(
    `${header},node,cpu`,
    rows.map(row => [...row, ...machine()]),
  )
}
