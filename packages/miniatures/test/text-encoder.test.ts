import { openTokenizer } from '@fx/teacher-adapters/imagen'
import { portraitEffects } from '@fx/teacher-adapters/portraits'
import { expect, test } from 'vitest'
import { drawLook, PORTRAIT_EFFECTS, portraitCaption } from '../src/captions.js'
import { CLASSES, END, labelledCaption, TEXT_LENGTH, tokenizerJson, UNKNOWN } from '../training/text-encoder.js'

test('the tokenizer knows every word of the captions, and captions fit', async () => {
  const { encode } = await openTokenizer(tokenizerJson())
  for (let seed = 0; seed < 500; seed++) {
    const ids = encode(portraitCaption(drawLook(seed)))
    expect(ids).not.toContain(UNKNOWN)
    expect(ids.at(-1)).toBe(END)
    expect(ids.length).toBeLessThanOrEqual(TEXT_LENGTH)
  }
  for (const effect of PORTRAIT_EFFECTS) expect(encode(portraitEffects[effect].prompt)).not.toContain(UNKNOWN)
  expect(encode('A portrait of a WIZARD').filter(id => id === UNKNOWN)).toHaveLength(1)
})

test('labels say what captions say', () => {
  const captions = Array.from({ length: 500 }, (_, i) => labelledCaption(`test ${i}`))
  for (const { caption, classes } of captions) {
    expect(classes).toHaveLength(CLASSES.length)
    classes.forEach((label, i) => void expect(label).toBeLessThan(CLASSES[i]!))
    // The last class of an attribute is that nothing is said of it.
    const said = classes.filter((label, i) => label < CLASSES[i]! - 1).length
    expect(said === 0).toBe(caption === 'a portrait of a person')
  }
  const first = captions.map(({ classes }) => classes[0])
  expect(new Set(first).size).toBe(CLASSES[0])
})
