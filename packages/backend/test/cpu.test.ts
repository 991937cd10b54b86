import '@tensorflow/tfjs-backend-cpu'
import { describe } from 'vitest'
import { optimizers } from './suites/optimizers.js'

describe('optimisers on a backend without fused steps', () => optimizers('cpu'))
