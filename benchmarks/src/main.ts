import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FxError, listed } from '@fx/core'
import { Command, Option } from 'commander'
import { calibration } from './calibration.js'
import { ContenderProcess } from './contender-process.js'
import { csv, table } from './output.js'
import { type Scenario, scenarios } from './scenario.js'
import { type Sample, summarise } from './statistics.js'

const results = resolve(dirname(fileURLToPath(import.meta.url)), '../results')

/** Every contender in a process of its own, one run at a time in turn, each between two calibration runs. */
const measure = async (scenario: Scenario, rounds: number): Promise<void> => {
  console.log(`\n${scenario.title}`)
  const calibrate = await calibration()
  const running: { process: ContenderProcess; samples: Sample[] }[] = []
  try {
    for (const contender of scenario.contenders) {
      try {
        const process = await ContenderProcess.start(scenario, contender)
        running.push({ process, samples: [] })
        console.log(`  ${contender.name}: ready (${process.description})`)
      } catch (error) {
        if (!FxError.isInstance(error, 'backend-unavailable')) throw error
        console.log(`  ${contender.name}: left out. ${error.message}`)
      }
    }
    for (let round = 0; round < rounds; round++) {
      for (const { process, samples } of running) {
        if (round % (process.contender.everyRounds ?? 1) !== 0) continue
        const calibrationBefore = calibrate()
        const ms = await process.run()
        samples.push({ ms, calibrationBefore, calibrationAfter: calibrate() })
      }
      if (process.stderr.isTTY) process.stderr.write(`\r  round ${round + 1}/${rounds}`)
    }
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  } finally {
    for (const { process } of running) process.stop()
  }

  const rows = running.map(({ process, samples }) => ({ contender: process.contender, ...summarise(samples) }))
  console.log(table(scenario, rows))
  const path = `${results}/${scenario.name}.csv`
  mkdirSync(results, { recursive: true })
  writeFileSync(path, csv(scenario, rows))
  console.log(`  written to benchmarks/results/${scenario.name}.csv`)
}

const names = scenarios.map(scenario => scenario.name)
await new Command('bench')
  .description('Measures the student, interleaved in one run, and writes CSV to benchmarks/results.')
  .argument('[scenario]', listed([...names, 'all']), 'all')
  .addOption(new Option('--rounds <n>', 'timed runs of each contender').default(20).argParser(Number))
  .action(async (name: string, { rounds }: { rounds: number }) => {
    const chosen = scenarios.filter(scenario => name === 'all' || scenario.name === name)
    if (chosen.length === 0)
      throw new FxError('invalid-argument', `No scenario '${name}': use ${listed([...names, 'all'])}`)
    if (!Number.isInteger(rounds) || rounds < 1)
      throw new FxError('invalid-argument', '--rounds must be a positive integer')
    console.log(`Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}`)
    for (const scenario of chosen) await measure(scenario, rounds)
  })
  .parseAsync()
  .catch((error: unknown) => {
    console.error(FxError.isInstance(error) ? error.message : error)
    process.exitCode = 1
  })
