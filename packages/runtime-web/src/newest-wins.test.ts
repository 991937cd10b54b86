import { expect, test } from 'vitest'
import { newestWins } from './newest-wins.js'

test('one runs at a time, the newest of those that wait runs next', async () => {
  const queue = newestWins()
  const log: string[] = []
  const task = (name: string) => () =>
    new Promise<void>(resolve => {
      log.push(`start ${name}`)
      setTimeout(() => {
        log.push(`end ${name}`)
        resolve()
      }, 5)
    })
  const results = await Promise.all(['a', 'b', 'c'].map(name => queue(task(name))))
  expect(results).toEqual([true, false, true])
  expect(log).toEqual(['start a', 'end a', 'start c', 'end c'])
  expect(await queue(task('d'))).toBe(true)
})

test('a failure is told to its caller alone', async () => {
  const queue = newestWins()
  const failing = queue(() => Promise.reject(new Error('no')))
  const next = queue(() => Promise.resolve())
  await expect(failing).rejects.toThrow('no')
  expect(await next).toBe(true)
})
