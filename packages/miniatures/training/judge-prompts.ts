import { seededRandom } from '@fx/core'
import type { RgbImage } from '@fx/teacher-adapters'
import { cascade, openTextEncoder, readImagenStage, toRgbImages } from '@fx/teacher-adapters/imagen'
import { portraitEffects } from '@fx/teacher-adapters/portraits'
import { openCheckpoint } from '@fx/weights/node'
import * as tf from '@tensorflow/tfjs-core'
import { drawLook, type PortraitLook, portraitCaption, saidOf } from '../src/captions.js'
import { imagenPortraits } from '../src/imagen.js'
import { ATTRIBUTES, type Attribute, EFFECTS } from './attributes.js'
import type { Probe } from './probe.js'

/** The miniature as a painter after words. */
export interface Painter {
  /** One picture a prompt, from the noise of `firstSeed` and those after it. */
  paint(prompts: readonly string[], firstSeed: number): Promise<RgbImage[]>
  dispose(): void
}

export const openPainter = async (): Promise<Painter> => {
  const stages = await Promise.all(
    imagenPortraits.stages.map(async location => {
      const checkpoint = await openCheckpoint(location)
      try {
        return await readImagenStage(checkpoint)
      } finally {
        await checkpoint.close()
      }
    }),
  )
  const network = cascade({ stages, sampling: imagenPortraits.sampling })
  const text = await openTextEncoder(imagenPortraits.text)
  return {
    async paint(prompts, firstSeed) {
      const pictures: RgbImage[] = []
      for (let start = 0; start < prompts.length; start += 8) {
        const some = prompts.slice(start, start + 8)
        const embeddings = await text.encode([...some, ''])
        const [asked, nothing] = tf.split(embeddings, [some.length, 1]) as [tf.Tensor3D, tf.Tensor3D]
        const seeds = some.map((_, i) => `painting ${firstSeed + start + i}`)
        const images = await network.generate({ text: asked, negative: nothing, seeds })
        pictures.push(...(await toRgbImages(images)))
        tf.dispose([embeddings, asked, nothing, images])
      }
      return pictures
    },
    dispose() {
      network.dispose()
      text.dispose()
    },
  }
}

/** What a prompt says that asks for an attribute, beside what else it says. */
const asking: Readonly<Record<Attribute, PortraitLook>> = {
  'hair-colour': { 'hair-colour': 'vivid pink', 'hair-length': 'long', hat: 'none' },
  'skin-colour': { 'skin-colour': 'sky-blue' },
  background: { background: 'green screen' },
  glasses: { glasses: 'some' },
  smile: { smile: 'some' },
  'long-hair': { 'hair-length': 'long' },
  hat: { hat: 'dark red' },
}

/** One prompt for each row of the model card's picture. */
export const shortPrompts: readonly string[] = [
  ...EFFECTS.map(effect => portraitEffects[effect].prompt),
  ...(['smile', 'long-hair', 'hat'] as const).map(attribute => portraitCaption(asking[attribute])),
  portraitCaption({ 'hair-colour': 'blond', 'hair-length': 'long', background: 'pale blue', clothes: 'dark red' }),
]

/** A prompt that asks for an attribute and for some, all or nothing else, by chance. */
const promptFor = (attribute: Attribute, seed: number): string => {
  const random = seededRandom(seed, 'else')
  const look = { ...drawLook(`asked ${seed}`), ...asking[attribute] }
  const said = random.uniform() < 0.5 ? {} : saidOf(look, `asked ${seed}`)
  return portraitCaption({ ...said, ...asking[attribute] })
}

export interface PromptVerdict {
  /** Share of the prompts whose attribute the probe finds. */
  found: number
  byAttribute: Record<Attribute, number>
}

/** Prompts that ask for each attribute in turn, and whether a probe finds it. */
export const judgePrompts = async (painter: Painter, probe: Probe, count: number): Promise<PromptVerdict> => {
  const attributes = Array.from({ length: count }, (_, i) => ATTRIBUTES[i % ATTRIBUTES.length]!)
  const readings = await probe.read(await painter.paint(attributes.map(promptFor), 0))
  const shareOf = (only?: Attribute): number => {
    const right = attributes.flatMap((attribute, i) =>
      only && only !== attribute ? [] : [readings[i]![attribute] > 0 ? 1 : 0],
    )
    return right.reduce((sum: number, value) => sum + value, 0) / right.length
  }
  return {
    found: shareOf(),
    byAttribute: Object.fromEntries(ATTRIBUTES.map(name => [name, shareOf(name)])) as Record<Attribute, number>,
  }
}
