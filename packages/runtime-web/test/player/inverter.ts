import { writeEffectBundle } from '@fx/export/node'
import * as tf from '@tensorflow/tfjs-core'
import * as tfl from '@tensorflow/tfjs-layers'
import '@tensorflow/tfjs-backend-cpu'
import type { EffectBundleManifest } from '@fx/core'

const sides = [32, 16, 8]

/** A student that turns a picture x into its negative as far as its parameter s says: x + s (1 - 2x). */
const inverter = (side: number): tfl.LayersModel => {
  const apply = (layer: tfl.layers.Layer, x: tfl.SymbolicTensor | tfl.SymbolicTensor[]) =>
    layer.apply(x) as tfl.SymbolicTensor
  const image = tfl.input({ shape: [side, side, 3] })
  const strength = tfl.input({ shape: [1] })
  const gain = apply(tfl.layers.reshape({ targetShape: [1, 1, 1] }), strength)
  const change = apply(tfl.layers.rescaling({ scale: -2, offset: 1 } as never), image)
  const changed = apply(tfl.layers.multiply(), [change, gain])
  return tfl.model({ inputs: [image, strength], outputs: apply(tfl.layers.add(), [image, changed]) })
}

/** Writes a bundle that inverts, with two smaller students. */
export const writeInverter = async (
  folder: string,
  more: { crop: EffectBundleManifest['crop']; face?: EffectBundleManifest['face'] },
): Promise<void> => {
  await tf.setBackend('cpu')
  const [model, ...smaller] = sides.map(inverter)
  const side = sides[0]!
  await writeEffectBundle(folder, {
    ...more,
    model: model!,
    smaller,
    effect: {
      id: 'invert',
      prompt: 'a negative',
      parameters: { strength: { min: 0, max: 1, default: 1 } },
    },
    studentSpecHash: 'test',
    probe: { width: side, height: side, data: Uint8Array.from({ length: side * side * 3 }, (_, i) => (i * 37) % 256) },
    card: {
      name: 'Invert',
      description: '',
      licence: 'CC0-1.0',
      provenance: { teacher: 'none', teacherVersion: '1', licences: [] },
      metrics: {},
    },
  })
}
