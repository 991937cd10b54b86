import { describe } from 'vitest'
import { regulariserSuite } from '../../test/suites/regularisers.js'

// Gradients of gradients: what lazy regularisation asks of the networks.
describe.each(['cpu', 'wasm'] as const)('the regularisers on %s', regulariserSuite)
