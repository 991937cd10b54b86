import { prepareBackend } from '@fx/backend'
import { beforeAll } from 'vitest'
import { teacherConformance } from '../../src/testing.js'
import { broken, DEFECTS, dusk } from '../broken-teachers.js'

beforeAll(async () => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
})

for (const defect of ['gives values from 0 to 1', 'leaks a tensor']) {
  teacherConformance({
    name: `a teacher that ${defect}`,
    create: broken(DEFECTS[defect]!),
    effects: [dusk],
    entry: new URL('../collect.ts', import.meta.url),
    size: 16,
  })
}
