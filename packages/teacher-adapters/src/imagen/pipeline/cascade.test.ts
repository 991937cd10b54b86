import { describe } from 'vitest'
import { cascadeSuite } from '../../../test/suites/cascade.js'

describe.each(['cpu', 'wasm'] as const)('a cascade on %s', cascadeSuite)
