/** A loop of dependent multiplications, about as long as the scheduler lets a process run, ms. */
const loop = (): number => {
  const start = performance.now()
  let sum = 0
  for (let i = 0; i < 8_000_000; i++) sum = sum * 0.999 + i
  // A sum that nobody reads might not be computed.
  if (Number.isNaN(sum)) throw new Error('the loop is broken')
  return performance.now() - start
}

const script = `const loop = ${loop}; onmessage = () => postMessage(loop())`
const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }))
const workers = Array.from({ length: navigator.hardwareConcurrency }, () => new Worker(url))

const answerOf = (worker: Worker): Promise<number> =>
  new Promise(resolve => {
    worker.onmessage = ({ data }) => resolve(data)
    worker.postMessage(undefined)
  })

/**
 * The loop on every core at once, which shows when the machine is in a slow spell and when another program wants a core.
 * The slowest, ms.
 */
export const calibrate = async (): Promise<number> => Math.max(...(await Promise.all(workers.map(answerOf))))
