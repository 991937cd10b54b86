import { describe } from 'vitest'
import { goldenSuite } from '../../test/suites/goldens.js'

describe.each(['cpu', 'wasm'] as const)('the reference networks on %s', goldenSuite)
