const values = Float64Array.from({ length: 4096 }, (_, i) => i / 4096)

const once = (): number => {
  const start = performance.now()
  let sum = 0
  for (let round = 0; round < 500; round++) for (const value of values) sum = sum * 0.999 + value
  // A sum that nobody reads might not be computed.
  if (Number.isNaN(sum)) throw new Error('the loop is broken')
  return performance.now() - start
}

/** A short loop of dependent multiplications, which shows when the machine is in a slow spell. Milliseconds. */
export const calibrate = (): number => Math.min(once(), once(), once())
