import { describe } from 'vitest'
import { unetSuite } from '../../../test/suites/unet.js'

describe.each(['cpu', 'wasm'] as const)('the reference UNets on %s', unetSuite)
