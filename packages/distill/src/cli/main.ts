import { relative } from 'node:path'
import { FxError } from '@fx/core'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { loadConfig } from '../config/load.js'
import { resolveConfig } from '../config/resolve.js'
import type { DistillConfig } from '../config/types.js'
import { cachePairs } from '../data/cache.js'
import { writeReport } from '../report/report.js'
import { disposeStudent, distill } from '../run/distill.js'
import { type ConsoleProgress, consoleProgress } from './console.js'
import { INTERRUPTED, onInterrupt } from './interrupt.js'
import { type TeacherFlags, trainTeacher } from './teacher.js'

interface RunFlags {
  config?: string
  out?: string
  steps?: number
  fresh?: boolean
  quiet?: boolean
}

const positive = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number of at least 1.')
  return value
}

const configured = async (flags: RunFlags): Promise<DistillConfig> => {
  const config = await loadConfig(flags.config)
  return {
    ...config,
    ...(flags.out !== undefined && { out: flags.out }),
    ...(flags.steps !== undefined && { training: { ...config.training, steps: flags.steps } }),
  }
}

/** Runs work that Ctrl-C stops cleanly, with progress on the screen. */
const interruptible = async (
  flags: Pick<RunFlags, 'quiet'>,
  notice: string,
  work: (progress: ConsoleProgress, signal: AbortSignal) => Promise<void>,
): Promise<void> => {
  const progress = consoleProgress({ quiet: flags.quiet })
  const { signal, release } = onInterrupt(notice)
  try {
    await work(progress, signal)
  } finally {
    progress.close()
    release()
  }
}

const withRunFlags = (command: Command): Command =>
  command
    .option('-c, --config <file>', 'config file (default: fx.config.ts, .mts, .js or .mjs here)')
    .option('-o, --out <folder>', "folder of the run, instead of the config's")
    .option('-q, --quiet', 'print nothing but errors')

const program = (): Command => {
  const fx = new Command('fx')
    .description('Distil a teacher into a small image-to-image student.')
    .option('--debug', 'show the stack of an error')
    .showHelpAfterError('(fx --help lists the commands)')
    .exitOverride()
    .addHelpText(
      'after',
      '\nExamples:\n  fx distill                     everything fx.config.ts describes, resumed if it was stopped\n' +
        '  fx distill --steps 50 --fresh  a quick look\n' +
        "  fx pairs                       only the teacher's pairs, as WebDataset shards\n" +
        '  fx report out/hair             build the report of a finished run again\n' +
        '  fx teacher train <kind> --config faces.config.ts\n' +
        '                                 train a teacher of your own, resumed if it was stopped\n',
    )
  withRunFlags(fx.command('distill').description('teacher, pairs, training, evaluation, export and report'))
    .option('--fresh', 'start over, whatever an earlier run left')
    .option('--steps <number>', "training steps, instead of the config's", positive)
    .action(async (flags: RunFlags) => {
      const config = await configured(flags)
      await interruptible(flags, 'Finishing the step; Ctrl-C again stops at once.', async (onProgress, signal) => {
        const result = await distill(config, { signal, onProgress, fresh: flags.fresh })
        disposeStudent(result.student)
      })
    })
  withRunFlags(fx.command('pairs').description("make the teacher's pairs and keep them as WebDataset shards")).action(
    async (flags: RunFlags) => {
      const config = resolveConfig(await configured(flags))
      await interruptible(flags, 'Finishing the shard; Ctrl-C again stops at once.', async (onProgress, signal) => {
        await cachePairs(config, { onProgress, signal })
      })
    },
  )
  fx.command('report')
    .description('build report.html of a finished run again, from what the run saved')
    .argument('<folder>', 'the folder of the run')
    .action(async (folder: string) => {
      console.log(relative(process.cwd(), await writeReport(folder)))
    })
  fx.command('teacher')
    .description('teachers of your own')
    .command('train')
    .description('train the teacher that a config file describes')
    .argument('<kind>', 'what the config trains')
    .requiredOption('-c, --config <file>', 'config file: its default export is the training')
    .option('-o, --out <folder>', "folder of the training, instead of the config's")
    .option('--fresh', 'start over, whatever an earlier run left')
    .option('-q, --quiet', 'print nothing but errors')
    .action(async (kind: string, flags: TeacherFlags) => {
      await interruptible(flags, 'Finishing the step; Ctrl-C again stops at once.', (onProgress, signal) =>
        trainTeacher(kind, flags, onProgress, signal),
      )
    })
  return fx
}

/**
 * The `fx` command. An FxError is one line on stderr and status 1; Ctrl-C is status 130.
 *
 * @returns the exit status.
 */
export const main = async (argv: readonly string[]): Promise<number> => {
  const fx = program()
  try {
    await fx.parseAsync([...argv], { from: 'user' })
    return 0
  } catch (error) {
    // Commander has printed its message, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode
    if (FxError.isInstance(error, 'aborted')) {
      console.error(`${error.message}. The same command goes on from here.`)
      return INTERRUPTED
    }
    const expected = FxError.isInstance(error)
    console.error(expected ? `fx: ${error.code}: ${error.message}` : 'fx failed unexpectedly:')
    if (!expected || fx.opts().debug) console.error(error)
    return 1
  }
}
