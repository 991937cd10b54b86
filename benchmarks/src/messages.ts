import type { Contender, Scenario } from './scenario.js'

/** To the process of a contender. */
export type Request = { kind: 'prepare'; scenario: Scenario; contender: Contender } | { kind: 'run' }

/** From the process of a contender. */
export type Reply =
  | { kind: 'ready'; description: string }
  | { kind: 'ran'; ms: number }
  | { kind: 'failed'; code?: string; message: string }
