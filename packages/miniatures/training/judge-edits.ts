import type { TeacherAdapter } from '@fx/teacher-adapters'
import { portraitEffects } from '@fx/teacher-adapters/portraits'
import { ATTRIBUTES, type Attribute, type Effect } from './attributes.js'
import { type Probe, range } from './probe.js'

const TOGETHER = 32

/** What a probe says of a teacher's pairs for one effect. */
export interface EditVerdict {
  /** Pairs judged: those whose input does not have the attribute yet. */
  judged: number
  /** Share of them whose target has it. */
  changed: number
  /** For every other attribute the share whose target has it exactly when the input has. */
  kept: Partial<Record<Attribute, number>>
  /** Faces that the alignment filter refused, for each pair; a seed that gave none counts once. */
  refused: number
}

/** Lets a probe judge pairs of a teacher until `count` of them began without the effect. */
export const judgeEdits = async (
  teacher: TeacherAdapter,
  probe: Probe,
  effect: Effect,
  { count, size, firstSeed }: { count: number; size: number; firstSeed: number },
): Promise<EditVerdict> => {
  const others = ATTRIBUTES.filter(name => name !== effect)
  const kept = new Map(others.map(name => [name, 0]))
  let judged = 0
  let changed = 0
  let pairs = 0
  let refused = 0
  // In lists, which a teacher may answer in batches.
  let next = firstSeed
  while (judged < count) {
    const seeds = [...range(next, Math.min(TOGETHER, count - judged))]
    next += seeds.length
    const request = { effect: portraitEffects[effect], size, seeds, onSkip: () => void refused++ }
    for await (const { input, target, provenance } of teacher.pairs(request)) {
      pairs++
      refused += Number(provenance.extra?.attempt ?? 0)
      const [before, after] = await probe.read([input, target])
      if (before![effect] > 0) continue
      judged++
      if (after![effect] > 0) changed++
      for (const name of others) kept.set(name, kept.get(name)! + Number(before![name] > 0 === after![name] > 0))
    }
  }
  return {
    judged,
    changed: changed / judged,
    kept: Object.fromEntries([...kept].map(([name, sum]) => [name, sum / judged])),
    refused: refused / pairs,
  }
}
