import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import { portraitEffects } from '@fx/teacher-adapters/portraits'
import { stylegan2Teacher } from '@fx/teacher-adapters/stylegan2'
import { teacherConformance } from '@fx/teacher-adapters/testing'
import '@tensorflow/tfjs-layers'
import { beforeAll } from 'vitest'
import { stylegan2Portraits } from '../src/stylegan2.js'
import { EDITS } from '../training/attributes.js'

beforeAll(async () => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
  await installTrainingKernels()
})

teacherConformance({
  name: 'the miniature StyleGAN2',
  create: () => stylegan2Teacher(stylegan2Portraits),
  effects: EDITS.map(id => ({ ...portraitEffects['hair-colour'], id })),
  entry: '@fx/teacher-adapters/stylegan2',
  conditions: ['@fx/source'],
  alignment: stylegan2Portraits.alignment,
})
