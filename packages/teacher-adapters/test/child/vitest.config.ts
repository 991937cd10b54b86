import { tests } from '../../../../vitest.base.js'

/** Runs a suite that is meant to fail, in a vitest of its own. */
export default tests({ include: ['test/child/conformance.ts'] })
