import type { AlignmentOptions, AlignmentScores, AlignmentVerdict } from './alignment.js'

/** Of a pair that was judged several times, the worst; undefined when it was never judged. */
export const largestScores = (scores: readonly AlignmentScores[]): AlignmentScores | undefined =>
  scores.length === 0
    ? undefined
    : {
        changed: Math.max(...scores.map(({ changed }) => changed)),
        drift: Math.max(...scores.map(({ drift }) => drift)),
        moved: Math.max(...scores.map(({ moved }) => moved)),
      }

type Limit = NonNullable<AlignmentVerdict['broken']>['limit']

const remedies: Record<Limit, string> = {
  minChanged: 'lower alignment.minChanged or alignment.threshold, or let the edit go further',
  maxChanged: 'raise alignment.maxChanged, or let the edit go less far',
  maxDrift: 'raise alignment.maxDrift, or let the edit touch fewer layers',
  maxMoved: 'raise alignment.maxMoved, or let the edit touch fewer layers',
}

interface Tally {
  limit: Limit
  count: number
  /** The refused score that came nearest to the limit. */
  nearest: number
  allowed: number | undefined
}

/** How many pairs broke which limit, the most frequent first. */
export const tallyRefusals = (refusals: readonly AlignmentVerdict[], options: AlignmentOptions): Tally[] =>
  (Object.keys(remedies) as Limit[])
    .flatMap(limit => {
      const scores = refusals.flatMap(({ broken }) => (broken?.limit === limit ? [broken.score] : []))
      if (scores.length === 0) return []
      const nearest = limit === 'minChanged' ? Math.max(...scores) : Math.min(...scores)
      return [{ limit, count: scores.length, nearest, allowed: options[limit] }]
    })
    .sort((a, b) => b.count - a.count)

/** Why all of a seed's pairs were refused, and what to do about it. At least one broke a limit. */
export const explainRefusals = (refusals: readonly AlignmentVerdict[], options: AlignmentOptions): string => {
  const tally = tallyRefusals(refusals, options)
  const found = tally.map(({ limit, count, nearest, allowed }) => {
    const score = limit.slice(3).toLowerCase()
    return `${count} by ${limit} (${allowed}; the nearest ${score} was ${nearest})`
  })
  return `refused were ${found.join(', ')}. To accept more, ${remedies[tally[0]!.limit]}; alignment: false accepts everything`
}
