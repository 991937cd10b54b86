import { FxError } from '@fx/core'

/** Everything that decides a training's weights, as plain JSON by path (`generator.zDim`). */
export type Fingerprint = Record<string, unknown>

const flatten = (value: unknown, path: string): [string, unknown][] =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.entries(value).flatMap(([name, member]) => flatten(member, path ? `${path}.${name}` : name))
    : [[path, Array.isArray(value) ? value.join(', ') : value]]

export const fingerprintOf = (decisive: object): Fingerprint => Object.fromEntries(flatten(decisive, ''))

/**
 * Refuses to go on with a training that began under another config.
 *
 * @throws FxError `resume-mismatch` naming what differs.
 */
export const checkFingerprint = (saved: Fingerprint, now: Fingerprint, folder: string): void => {
  const differences = [...new Set([...Object.keys(saved), ...Object.keys(now)])]
    .filter(path => saved[path] !== now[path])
    .map(path => `${path}: ${JSON.stringify(saved[path]) ?? 'absent'} -> ${JSON.stringify(now[path]) ?? 'absent'}`)
  if (differences.length === 0) return
  throw new FxError(
    'resume-mismatch',
    `The training in ${folder} was started with another config (${differences.slice(0, 6).join('; ')}). ` +
      'Put the config back, choose another out folder, or start over with fresh (--fresh)',
    { details: { differences } },
  )
}
