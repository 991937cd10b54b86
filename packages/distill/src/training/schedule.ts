/** The learning rate at a step, 0-based: a linear rise, then constant or a half cosine down to a hundredth of the peak. */
export const learningRateAt = (
  step: number,
  options: { steps: number; learningRate: number; schedule: 'cosine' | 'constant'; warmupSteps: number },
): number => {
  const { steps, learningRate, schedule, warmupSteps } = options
  if (step < warmupSteps) return (learningRate * (step + 1)) / (warmupSteps + 1)
  if (schedule === 'constant') return learningRate
  const progress = (step - warmupSteps) / Math.max(1, steps - warmupSteps)
  return learningRate * (0.01 + 0.99 * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, progress))))
}
