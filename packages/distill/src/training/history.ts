import type { Evaluation } from './evaluate.js'
import type { StepFigures } from './step.js'

/** One point of the training curves: means over the steps since the point before. */
export interface CurvePoint extends StepFigures {
  /** Steps done. */
  step: number
}

/** Figures on the held-out pairs during training. */
export interface EvaluationPoint extends Omit<Evaluation, 'samples'> {
  step: number
}

export interface History {
  curve: CurvePoint[]
  evaluations: EvaluationPoint[]
}

/** Sums of the steps since the last point, part of a checkpoint so that a resumed curve is the same. */
export interface CurveWindow {
  count: number
  loss: number
  gradientNorm: number | null
  terms: Sums
  scores: Sums
}

/** Sums by name, each of the steps that had it. */
type Sums = Record<string, { count: number; sum: number }>

const addTo = (sums: Sums, figures: Record<string, number>): void => {
  for (const [name, value] of Object.entries(figures)) {
    sums[name] ??= { count: 0, sum: 0 }
    const term = sums[name]
    term.count++
    term.sum += value
  }
}

const means = (sums: Sums): Record<string, number> =>
  Object.fromEntries(Object.entries(sums).map(([name, { count, sum }]) => [name, sum / count]))

export const emptyWindow = (): CurveWindow => ({ count: 0, loss: 0, gradientNorm: 0, terms: {}, scores: {} })

export const addStep = (window: CurveWindow, figures: StepFigures): void => {
  window.count++
  window.loss += figures.loss
  if (figures.gradientNorm === null) window.gradientNorm = null
  else if (window.gradientNorm !== null) window.gradientNorm += figures.gradientNorm
  addTo(window.terms, figures.terms)
  addTo(window.scores, figures.scores)
}

export const closeWindow = (window: CurveWindow, step: number, learningRate: number): CurvePoint => ({
  step,
  loss: window.loss / window.count,
  gradientNorm: window.gradientNorm === null ? null : window.gradientNorm / window.count,
  terms: means(window.terms),
  scores: means(window.scores),
  learningRate,
})
