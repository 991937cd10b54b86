import { FxError } from '@fx/core'
import { type ConformanceCase, check, told } from '../case.js'
import { firstStep } from '../refusal.js'
import type { Session } from '../session.js'
import { makesPairs } from './pairs.js'

const nothingToDispose = async (session: Session): Promise<string | undefined> =>
  (await session.teacher()).dispose ? undefined : 'it has no dispose'

export const leavesNoTensors: ConformanceCase = {
  number: 'T27',
  name: 'leaves no tensor behind: neither after a request nor after dispose',
  after: [makesPairs],
  async run(session) {
    const { before, held, later, after } = (await session.secondLife()).tensors
    check(later <= held, `left ${later - held} tensors behind after two requests more`)
    const { dispose } = await session.teacher()
    const end = dispose ? 'after dispose' : 'and has no dispose'
    check(after <= before, `holds ${after - before} tensors ${end}`)
  },
}

export const refusesAfterDispose: ConformanceCase = {
  number: 'T28',
  name: 'frees itself by dispose, and then throws a typed error for pairs',
  after: [makesPairs],
  exempt: nothingToDispose,
  async run(session) {
    const { adapter, disposal } = await session.secondLife()
    check(!disposal, () => `threw ${told(disposal?.error)} when it was disposed`)
    const step = await firstStep(adapter, await session.request())
    check('error' in step, () => `gave ${(step as { gave: string }).gave} after it was disposed; it must throw`)
    check(FxError.isInstance(step.error), () => `threw ${told(step.error)} after it was disposed`)
  },
}

export const disposesTwice: ConformanceCase = {
  number: 'T29',
  name: 'may be disposed twice',
  after: [refusesAfterDispose],
  exempt: nothingToDispose,
  async run(session) {
    const { adapter } = await session.secondLife()
    await adapter.dispose?.()
  },
}
