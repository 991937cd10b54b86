import { FxError, numberIn, seededRandom } from '@fx/core'
import { CholeskyDecomposition, Matrix } from 'ml-matrix'
import { centred, covariance, dotOf, meanOf, times, transposedTimes, unit } from './solve.js'

export interface SupervisedDirectionOptions {
  /** `[N, dim]` row by row: w, or rows of W+ or styles laid end to end. */
  codes: Float32Array
  /** One for each code: only 0 and 1 for an attribute that is there or not (logistic regression), else any numbers. */
  labels: ArrayLike<number>
  /** Normals `[dim]` of attributes that shall stay as they are. */
  conditions?: readonly Float32Array[]
  /**
   * Weight of the penalty on the squared length of the coefficients, relative to the variance of the codes. More of it
   * for few or noisy labels. Default 0.01.
   */
  ridge?: number
}

/** What `supervisedDirection` found. `score = normal . x + intercept` is a signed distance. */
export interface SupervisedDirection {
  /** Where to go: the normal, less what would move along a condition. Length 1. */
  direction: Float32Array
  /** Normal of the boundary, length 1. */
  normal: Float32Array
  /** The score is 0 where the attribute is as likely as not, or where the predicted label is 0. */
  intercept: number
  /** `scale * score` is the predicted label, or the log-odds of the attribute. */
  scale: number
  /** Judged on a fifth of the codes that took no part: the share labelled rightly, or the R^2 of the prediction. */
  heldOut: { kind: 'accuracy' | 'r2'; value: number; count: number }
}

interface Fit {
  coefficients: Float64Array
  /** The prediction at the mean code. */
  offset: number
}

const FEWEST = 10
const RIDGE = 0.01
/** Of the mean log-likelihood, that a step could still gain. */
const CONVERGED = 1e-9
const MOST_STEPS = 500

/**
 * The direction along which an attribute changes, from labelled samples: the normal of a linear boundary (labels 0 and
 * 1) or of a linear prediction (any other labels). Give `normal`, `intercept` and a score as the `level` of
 * `directionEdit` to reach the same amount of the attribute from everywhere.
 *
 * Always the same for the same samples. Takes about `N * dim^2` multiplications: seconds for 4096 codes of 1500 values.
 *
 * Source: Shen et al., "InterFaceGAN", TPAMI 2020: sections 3.1 (boundaries) and 3.2 (conditional manipulation).
 *
 * @throws FxError `invalid-argument` for fewer than 10 samples, labels that are all alike, or conditions that leave no
 *   direction; `shape-mismatch`; `not-finite`.
 */
export const supervisedDirection = (options: SupervisedDirectionOptions): SupervisedDirection => {
  const { conditions = [], ridge = RIDGE } = options
  const { codes, labels, binary } = checked(options)
  numberIn('supervisedDirection: ridge', ridge, 1e-9, 1e9)

  const order = seededRandom('supervised direction', 'held out').shuffled([...labels.keys()])
  const heldOut = order.slice(0, Math.floor(labels.length / 5))
  const known = order.slice(heldOut.length)
  const mean = meanOf(codes, known)
  const fit = (binary ? logistic : linear)(
    centred(codes, known, mean),
    Float64Array.from(known, row => labels[row]!),
    ridge,
  )
  const scale = Math.sqrt(dotOf(fit.coefficients, fit.coefficients))
  if (!(scale > 0)) throw new FxError('invalid-argument', 'supervisedDirection: the codes do not tell the labels apart')

  const normal = unit(fit.coefficients)
  const outputs = Float64Array.from(times(centred(codes, heldOut, mean), fit.coefficients), v => v + fit.offset)
  const truth = heldOut.map(row => labels[row]!)
  return {
    direction: Float32Array.from(withoutConditions(normal, conditions)),
    normal: Float32Array.from(normal),
    intercept: fit.offset / scale - dotOf(normal, mean),
    scale,
    heldOut: {
      kind: binary ? 'accuracy' : 'r2',
      value: binary ? accuracy(outputs, truth) : determination(outputs, truth),
      count: heldOut.length,
    },
  }
}

const checked = ({ codes, labels, conditions = [] }: SupervisedDirectionOptions) => {
  const count = labels.length
  if (!(count >= FEWEST)) {
    throw new FxError('invalid-argument', `supervisedDirection: ${count} labels; at least ${FEWEST} are needed`)
  }
  const dim = codes.length / count
  if (!Number.isInteger(dim) || dim < 1) {
    throw new FxError(
      'shape-mismatch',
      `supervisedDirection: codes must hold a row for each of ${count} labels; ${codes.length} values are not ${count} rows`,
    )
  }
  const wrong = conditions.find(condition => condition.length !== dim)
  if (wrong) {
    throw new FxError('shape-mismatch', `supervisedDirection: a condition must be [${dim}], got [${wrong.length}]`)
  }
  const values = Float64Array.from(labels)
  if (![codes, values, ...conditions].every(array => array.every(Number.isFinite))) {
    throw new FxError('not-finite', 'supervisedDirection: codes, labels and conditions must not hold NaN or infinity')
  }
  if (values.every(value => value === values[0])) {
    throw new FxError('invalid-argument', `supervisedDirection: all labels are ${values[0]}; they must differ`)
  }
  return { codes: { values: codes, dim }, labels: values, binary: values.every(value => value === 0 || value === 1) }
}

/** Solves `(X^T X / n * weight + penalty) c = b` for any number of right sides. */
const solver = (x: Float64Array, dim: number, weight: number, ridge: number) => {
  const matrix = covariance(x, dim)
  const variance = matrix.reduce((sum, row, i) => sum + row[i]!, 0) / dim
  if (!(variance > 0)) throw new FxError('invalid-argument', 'supervisedDirection: all codes are equal')
  const penalty = ridge * variance
  matrix.forEach((row, i) => {
    for (let j = 0; j < dim; j++) row[j]! *= weight
    row[i]! += penalty
  })
  const factors = new CholeskyDecomposition(new Matrix(matrix.map(row => Array.from(row))))
  return { penalty, solve: (b: Float64Array) => Float64Array.from(factors.solve(Matrix.columnVector(b)).to1DArray()) }
}

const meanValue = (values: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum / values.length
}

/** Ridge regression on centred codes. */
const linear = (x: Float64Array, labels: Float64Array, ridge: number): Fit => {
  const { solve } = solver(x, x.length / labels.length, 1, ridge)
  const offset = meanValue(labels)
  const deviations = labels.map(label => label - offset)
  return { coefficients: solve(transposedTimes(x, deviations)), offset }
}

/**
 * Logistic regression on centred codes. `X^T X / 4` is never less than the Hessian, so that steps with it always
 * descend; it is factored once where Newton's method would do so in every step (Böhning and Lindsay, 1988). Momentum,
 * dropped whenever it points uphill, makes them converge several times sooner (O'Donoghue and Candès, 2015).
 */
const logistic = (x: Float64Array, labels: Float64Array, ridge: number): Fit => {
  const dim = x.length / labels.length
  const { penalty, solve } = solver(x, dim, 0.25, ridge)
  const share = meanValue(labels)
  // The last element is the offset, whose curvature is at most a quarter.
  let here = new Float64Array(dim + 1)
  here[dim] = Math.log(share / (1 - share))
  let ahead = here
  let momentum = 0
  for (let step = 0; step < MOST_STEPS; step++) {
    const outputs = times(x, ahead.subarray(0, dim))
    const errors = labels.map((label, i) => label - 1 / (1 + Math.exp(-outputs[i]! - ahead[dim]!)))
    const gradient = transposedTimes(x, errors).map((value, j) => value - penalty * ahead[j]!)
    const shift = meanValue(errors)
    const move = Float64Array.of(...solve(gradient), 4 * shift)
    const next = ahead.map((value, j) => value + move[j]!)
    if (dotOf(gradient, move) + shift * move[dim]! < CONVERGED)
      return { coefficients: next.slice(0, dim), offset: next[dim]! }
    const uphill = next.reduce((sum, value, j) => sum + (j < dim ? gradient[j]! : shift) * (value - here[j]!), 0) < 0
    momentum = uphill ? 0 : momentum + 1
    ahead = next.map((value, j) => value + (momentum / (momentum + 3)) * (value - here[j]!))
    here = next
  }
  return { coefficients: here.slice(0, dim), offset: here[dim]! }
}

const accuracy = (outputs: Float64Array, truth: readonly number[]): number =>
  truth.filter((label, i) => outputs[i]! > 0 === label > 0).length / truth.length

const determination = (outputs: Float64Array, truth: readonly number[]): number => {
  const mean = meanValue(truth)
  const squares = (of: (label: number, i: number) => number) => meanValue(truth.map((label, i) => of(label, i) ** 2))
  const spread = squares(label => label - mean)
  return spread > 0 ? 1 - squares((label, i) => label - outputs[i]!) / spread : 0
}

/** The normal's part at right angles to every condition. */
const withoutConditions = (normal: Float64Array, conditions: readonly Float32Array[]): Float64Array => {
  const basis: Float64Array[] = []
  const project = (vector: Float64Array) => {
    // Twice, because what the first pass leaves in rounding the second removes.
    for (const axis of [...basis, ...basis]) {
      const along = dotOf(vector, axis)
      vector.forEach((value, j) => {
        vector[j] = value - along * axis[j]!
      })
    }
    return vector
  }
  const lengthOf = (vector: ArrayLike<number>) => Math.sqrt(dotOf(vector, vector))
  for (const condition of conditions) {
    const rest = project(Float64Array.from(condition))
    if (lengthOf(rest) > 1e-6 * lengthOf(condition)) basis.push(unit(rest))
  }
  const direction = project(normal.slice())
  if (lengthOf(direction) < 1e-3) {
    throw new FxError(
      'invalid-argument',
      'supervisedDirection: the attribute cannot be told from the conditions; leave one out or label more samples',
    )
  }
  return unit(direction)
}
