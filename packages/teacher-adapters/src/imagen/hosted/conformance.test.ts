import { prepareBackend } from '@fx/backend'
import { beforeAll } from 'vitest'
import { hostedServer } from '../../../test/hosted-server.js'
import { hostedTeacher } from '../../../test/hosted-teacher.js'
import { teacherConformance } from '../../testing.js'

const server = hostedServer('file')
const { teacherOf } = hostedTeacher(server, 32)
const cache = new Map()

beforeAll(async () => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
})

const strength = { min: 0, max: 1, default: 1 }
teacherConformance({
  name: 'hostedImagenTeacher',
  create: () => teacherOf({ cache }),
  effects: [
    { id: 'blue-disc', prompt: 'a blue disc', parameters: { strength } },
    { id: 'blue-ball', prompt: 'a blue ball', negativePrompt: 'a red one', parameters: {} },
  ],
  entry: new URL('../../imagen-hosted.ts', import.meta.url),
  conditions: ['@fx/source'],
})
