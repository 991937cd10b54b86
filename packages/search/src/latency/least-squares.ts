/** Solves `a x = b` for a small symmetric matrix by elimination with pivots; undefined when it is singular. */
const solve = (a: readonly (readonly number[])[], b: readonly number[]): number[] | undefined => {
  const rows = a.map((row, i) => [...row, b[i]!])
  const size = rows.length
  for (let column = 0; column < size; column++) {
    let pivot = column
    for (let row = column + 1; row < size; row++) {
      if (Math.abs(rows[row]![column]!) > Math.abs(rows[pivot]![column]!)) pivot = row
    }
    const head = rows[pivot]!
    rows[pivot] = rows[column]!
    rows[column] = head
    // Columns have unit length, so this is relative to them.
    if (Math.abs(head[column]!) < 1e-10) return undefined
    for (let row = 0; row < size; row++) {
      if (row === column) continue
      const factor = rows[row]![column]! / head[column]!
      for (let i = column; i <= size; i++) rows[row]![i]! -= factor * head[i]!
    }
  }
  return rows.map((row, i) => row[size]! / row[i]!)
}

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0)

/**
 * The coefficients `x >= 0` for which `rows x` comes nearest to `targets`, measured relative to each target.
 *
 * The optimum is the plain least-squares answer on some set of columns, with the others at zero (Lawson and Hanson 1974,
 * chapter 23). Columns are few, so every set is tried.
 *
 * @param rows one for each target, all of one length, no value negative.
 * @param targets positive.
 */
export const nonNegativeLeastSquares = (rows: readonly (readonly number[])[], targets: readonly number[]): number[] => {
  const count = rows[0]?.length ?? 0
  const columns = Array.from({ length: count }, (_, column) => rows.map((row, i) => row[column]! / targets[i]!))
  const lengths = columns.map(column => Math.sqrt(dot(column, column)))
  const used = lengths.flatMap((length, column) => (length > 0 ? [column] : []))
  const unit = columns.map((column, i) => column.map(value => value / (lengths[i] || 1)))
  const gram = unit.map(a => unit.map(b => dot(a, b)))
  const projections = unit.map(column => column.reduce((sum, value) => sum + value, 0))
  let best = { gain: 0, coefficients: new Array<number>(count).fill(0) }
  for (let set = 1; set < 2 ** used.length; set++) {
    const chosen = used.filter((_, i) => set & (1 << i))
    if (chosen.length > rows.length) continue
    const answer = solve(
      chosen.map(i => chosen.map(j => gram[i]![j]!)),
      chosen.map(i => projections[i]!),
    )
    if (answer === undefined || answer.some(value => value < 0)) continue
    // The squared error is that of all zeros less this; fewer columns win a tie.
    const gain = answer.reduce((sum, value, i) => sum + value * projections[chosen[i]!]!, 0)
    if (gain <= best.gain * (1 + 1e-12)) continue
    const coefficients = new Array<number>(count).fill(0)
    for (const [i, column] of chosen.entries()) coefficients[column] = answer[i]! / lengths[column]!
    best = { gain, coefficients }
  }
  return best.coefficients
}

/** The middle value; the mean of two. */
export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
