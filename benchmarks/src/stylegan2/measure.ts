import { measureInTurn } from '../contender-process.js'
import { generationReport, trainingReport } from './report.js'
import { generationContenders, trainingContenders } from './scenario.js'

export const stylegan2Scenarios = ['stylegan2-generation', 'stylegan2-training'] as const

/** Measures, prints the table, and returns the CSV. */
export const measureStylegan2 = async (
  scenario: (typeof stylegan2Scenarios)[number],
  rounds: number,
  backends: readonly string[] | undefined,
): Promise<string> => {
  const generation = scenario === 'stylegan2-generation'
  console.log(`\nStyleGAN2, ${generation ? 'images from latents' : 'the parts of a training step'}`)
  const chosen = (generation ? generationContenders : trainingContenders).filter(
    ({ backend }) => !backends || backends.includes(backend),
  )
  const running = await measureInTurn(chosen, contender => ({ kind: scenario, contender }), rounds)
  const { table, csv } = generation ? generationReport(running) : trainingReport(running)
  console.log(table)
  return csv
}
