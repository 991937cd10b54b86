import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FxError, listed } from '@fx/core'
import { Command, Option } from 'commander'
import { CAMERA, measureCamera } from './camera/measure.js'
import { measureInTurn } from './contender-process.js'
import { measureSampling, SAMPLING } from './imagen/sampling.js'
import { LOSSES, measureLosses } from './losses/measure.js'
import { csv, table } from './output.js'
import { measurePainter, PAINTER } from './painter.js'
import { type Scenario, scenarios } from './scenario.js'
import { summarise } from './statistics.js'
import { LATENCY, measureLatency } from './students/latency.js'
import { measurePresetChoice, PRESET_CHOICE } from './students/preset-choice.js'
import { measureQuality, QUALITY } from './students/quality.js'
import { measureSearch, SEARCH } from './students/search.js'
import { measureStrength, STRENGTH } from './students/strength.js'
import { measureYardstick, YARDSTICK } from './students/yardstick.js'
import { measureStylegan2, stylegan2Scenarios } from './stylegan2/measure.js'

const results = resolve(dirname(fileURLToPath(import.meta.url)), '../results')

const write = (name: string, contents: string): void => {
  mkdirSync(results, { recursive: true })
  writeFileSync(`${results}/${name}.csv`, contents)
  console.log(`  written to benchmarks/results/${name}.csv`)
}

const measure = async (scenario: Scenario, rounds: number): Promise<void> => {
  console.log(`\n${scenario.title}`)
  const running = await measureInTurn(
    scenario.contenders,
    contender => ({ kind: scenario.name, scenario, contender }),
    rounds,
  )
  const rows = running.map(({ contender, samples }) => ({ contender, ...summarise([...samples.values()].flat()) }))
  console.log(table(scenario, rows))
  write(scenario.name, csv(scenario, rows))
}

interface Options {
  rounds: number
  backends?: string[]
  photos?: string
}

const names = [
  ...scenarios.map(scenario => scenario.name),
  ...stylegan2Scenarios,
  SAMPLING,
  LOSSES,
  STRENGTH,
  PRESET_CHOICE,
  YARDSTICK,
  QUALITY,
  LATENCY,
  CAMERA,
  SEARCH,
  PAINTER,
]
await new Command('bench')
  .description(
    'Measures the student, the losses and the teachers, interleaved in one run, and writes CSV to benchmarks/results.',
  )
  .argument('[scenario]', listed([...names, 'stylegan2', 'all']), 'all')
  .addOption(new Option('--rounds <n>', 'timed runs of each contender').default(20).argParser(Number))
  .addOption(new Option('--backends <names...>', 'StyleGAN2 on these backends only'))
  .addOption(new Option('--photos <dir>', 'judge the painter on every photograph in a folder'))
  .action(async (name: string, { rounds, backends, photos }: Options) => {
    // Photographs are not in the repository, so that only who has some can judge the painter.
    const possible = names.filter(known => known !== PAINTER || name === PAINTER || photos !== undefined)
    const chosen: string[] = possible.filter(known => name === 'all' || known === name || known.startsWith(`${name}-`))
    if (chosen.length === 0) {
      throw new FxError('invalid-argument', `No scenario '${name}': use ${listed([...names, 'stylegan2', 'all'])}`)
    }
    if (!Number.isInteger(rounds) || rounds < 1)
      throw new FxError('invalid-argument', '--rounds must be a positive integer')
    console.log(`Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}`)
    for (const scenario of scenarios) if (chosen.includes(scenario.name)) await measure(scenario, rounds)
    for (const scenario of stylegan2Scenarios) {
      if (chosen.includes(scenario)) write(scenario, await measureStylegan2(scenario, rounds, backends))
    }
    if (chosen.includes(SAMPLING)) write(SAMPLING, await measureSampling(rounds))
    if (chosen.includes(LOSSES)) write(LOSSES, await measureLosses(rounds))
    if (chosen.includes(STRENGTH)) write(STRENGTH, await measureStrength())
    if (chosen.includes(PRESET_CHOICE)) write(PRESET_CHOICE, await measurePresetChoice())
    if (chosen.includes(YARDSTICK)) write(YARDSTICK, await measureYardstick())
    if (chosen.includes(QUALITY)) write(QUALITY, await measureQuality())
    if (chosen.includes(LATENCY)) write(LATENCY, await measureLatency(rounds))
    if (chosen.includes(CAMERA)) write(CAMERA, await measureCamera(rounds))
    if (chosen.includes(PAINTER)) write(PAINTER, await measurePainter(photos))
    if (chosen.includes(SEARCH)) {
      const { csv, svg } = await measureSearch(join(tmpdir(), 'fx-student-search'))
      write(SEARCH, csv)
      writeFileSync(`${results}/${SEARCH}.svg`, svg)
    }
  })
  .parseAsync()
  .catch((error: unknown) => {
    console.error(FxError.isInstance(error) ? error.message : error)
    process.exitCode = 1
  })
