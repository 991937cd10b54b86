/** What became of a contender. */
export interface Trial<Contender> {
  contender: Contender
  /** Its figure after each of so many steps; lower is better. */
  figures: { step: number; figure: number }[]
}

export interface HalvingOptions<Contender> {
  contenders: readonly Contender[]
  /** Steps at which contenders are compared, rising; the last is a whole training. */
  rungs: readonly number[]
  /** One in so many goes on. */
  eta: number
  /** Contenders that are trained to the end whatever their figures, beside those that go on. */
  kept?: readonly Contender[]
  /** Trains a contender on to a step, and tells its figure; lower is better. */
  train: (contender: Contender, step: number) => Promise<number>
}

/** How many trainings to a step `successiveHalving` asks for. */
export const trainings = (contenders: number, kept: number, rungs: number, eta: number): number => {
  let total = rungs * kept
  for (let rung = 0, left = contenders; rung < rungs; rung++, left = Math.ceil(left / eta)) total += left
  return total
}

/**
 * Successive halving (Jamieson and Talwalkar, AISTATS 2016, section 3): all contenders are trained a little, the better
 * ones a little more, until the last few have had a whole training. So most of the time goes to students that deserve it.
 * A figure that is not a number counts as the worst; ties keep the order of `contenders`.
 */
export const successiveHalving = async <Contender>(options: HalvingOptions<Contender>): Promise<Trial<Contender>[]> => {
  const { contenders, rungs, eta, kept = [], train } = options
  const trials: Trial<Contender>[] = [...contenders, ...kept].map(contender => ({ contender, figures: [] }))
  let racing = trials.slice(0, contenders.length)
  const always = trials.slice(contenders.length)
  for (const [rung, step] of rungs.entries()) {
    for (const { contender, figures } of [...racing, ...always]) {
      const figure = await train(contender, step)
      figures.push({ step, figure: Number.isNaN(figure) ? Number.POSITIVE_INFINITY : figure })
    }
    if (rung === rungs.length - 1) break
    const figure = (trial: Trial<Contender>): number => trial.figures.at(-1)!.figure
    racing = [...racing].sort((a, b) => (figure(a) < figure(b) ? -1 : figure(a) > figure(b) ? 1 : 0))
    racing = racing.slice(0, Math.ceil(racing.length / eta))
  }
  return trials
}
