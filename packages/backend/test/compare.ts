/** Largest difference relative to the largest value. */
export const relativeDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let difference = 0
  let largest = 0
  for (let i = 0; i < a.length; i++) {
    difference = Math.max(difference, Math.abs(a[i]! - b[i]!))
    largest = Math.max(largest, Math.abs(b[i]!))
  }
  return difference / largest
}
