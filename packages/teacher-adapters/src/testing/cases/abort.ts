import { FxError } from '@fx/core'
import { type ConformanceCase, check, told } from '../case.js'
import { firstStep } from '../refusal.js'
import { makesPairs } from './pairs.js'

/** So many pairs may still come after an abort: those that were under way. */
const LATE = 3

export const stopsWhenAborted: ConformanceCase = {
  number: 'T20',
  name: `stops within ${LATE} pairs of an abort with the code 'aborted', and is of use afterwards`,
  after: [makesPairs],
  async run(session) {
    const teacher = await session.teacher()
    const { seeds } = await session.sample()
    const isAborted = (error: unknown, when: string) =>
      check(
        FxError.isInstance(error, 'aborted'),
        () => `threw ${told(error)} when it was aborted ${when}; it must be an FxError 'aborted'`,
      )

    const before = await firstStep(teacher, await session.request({ signal: AbortSignal.abort() }))
    check('error' in before, () => `gave ${(before as { gave: string }).gave} of a request aborted before it began`)
    isAborted(before.error, 'before it began')

    const controller = new AbortController()
    const long = Array.from({ length: 4 * (LATE + 2) }, (_, i) => seeds[i % seeds.length]!)
    let late = 0
    try {
      const request = await session.request({ seeds: long, signal: controller.signal })
      const pairs = teacher.pairs(request)[Symbol.asyncIterator]()
      await pairs.next()
      // The second pair is under way when the abort comes.
      let next = pairs.next()
      controller.abort()
      for (; late <= LATE; late++) {
        if ((await next).done) break
        next = pairs.next()
      }
      next.catch(() => {})
      await pairs.return?.()
    } catch (error) {
      isAborted(error, 'on its way')
      const { pairs } = await session.ask({ seeds: seeds.slice(0, 1) })
      check(pairs.length === 1, `gave ${pairs.length} pairs for a seed after an aborted request`)
      return
    }
    check(false, late > LATE ? `gave ${late} pairs after the abort` : 'ended an aborted request without an error')
  },
}
