import { beforeEach, expect, test } from 'vitest'
import { createQuality, type QualityChange } from './quality.js'

const sizes = [64, 32, 16].map(side => ({ width: side, height: side }))

let log: string[]
let changes: QualityChange[]
let failing: Set<number>

beforeEach(() => {
  log = []
  changes = []
  failing = new Set()
})

const start = () =>
  createQuality(
    {
      open: async size => {
        log.push(`open ${size}`)
        if (failing.has(size)) throw new Error('no such file')
      },
      close: size => void log.push(`close ${size}`),
    },
    { sizes, faces: false, budgetMs: 30, onChange: change => changes.push(change) },
  )

/** Frames of so many ms, until nothing more is opened. */
const slow = async (quality: ReturnType<typeof start>, frames: number, ms = 200): Promise<void> => {
  for (let i = 0; i < frames; i++) {
    quality.add(ms, i * ms)
    await Promise.resolve()
    await Promise.resolve()
  }
}

test('smaller students are opened before they are used, and closed when they are left', async () => {
  const quality = start()
  await slow(quality, 40)
  expect(log.slice(0, 3)).toEqual(['open 1', 'open 2', 'close 1'])
  expect(quality.state()).toMatchObject({ size: { width: 16, height: 16 } })
  expect(changes[0]).toMatchObject({
    from: { size: sizes[0] },
    to: { size: sizes[1] },
    reason: expect.stringMatching(/200/),
  })
  quality.stop()
  quality.stop()
  expect(log).toEqual(['open 1', 'open 2', 'close 1', 'close 2'])
})

test('a student that does not open is passed over', async () => {
  failing.add(1)
  const quality = start()
  await slow(quality, 40)
  expect(log.slice(0, 2)).toEqual(['open 1', 'open 2'])
  expect(changes[0]).toMatchObject({ from: { size: sizes[0] }, to: { size: sizes[2] } })
  quality.stop()
  expect(log.at(-1)).toBe('close 2')
})

test('one that opens after the end is closed', async () => {
  const quality = start()
  for (let i = 0; i < 40 && log.length === 0; i++) quality.add(200, i * 200)
  quality.stop()
  await slow(quality, 5)
  expect(log).toEqual(['open 1', 'close 1'])
  expect(changes).toEqual([])
})
