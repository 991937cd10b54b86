import { describe } from 'vitest'
import { diffusionSuite } from '../../../test/suites/diffusion.js'

describe.each(['cpu', 'wasm'] as const)('diffusion on %s', diffusionSuite)
