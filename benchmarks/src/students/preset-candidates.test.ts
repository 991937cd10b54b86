import { prepareBackend } from '@fx/backend'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { cost, type Preset, studentPresets, unetStudent } from '@fx/unet-student'
import { expect, test } from 'vitest'
import { presetCandidates } from './preset-candidates.js'

const presets = Object.keys(studentPresets) as Preset[]

test.each(presets)('%s is one of its candidates, all of which fit its budget', async preset => {
  await prepareBackend({ backend: 'cpu' })
  const built = (options: Parameters<typeof unetStudent>[0]) => {
    const student = unetStudent(options)
    const { macs } = cost(student.model)
    student.dispose()
    return { specHash: student.specHash, macs }
  }
  const candidates = presetCandidates[preset].map(({ encoder, ...rest }) =>
    built({ ...rest, encoder: mobilenetEncoder(encoder), head: 'alpha', inputSize: 256 }),
  )
  const { specHash } = built({ preset, inputSize: 256 })
  expect(candidates.map(each => each.specHash)).toContain(specHash)
  for (const { macs } of candidates) expect(macs).toBeLessThanOrEqual(studentPresets[preset].budgetMmacs * 1e6)
})
