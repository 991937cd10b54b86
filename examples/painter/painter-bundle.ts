import type { Exporter } from '@fx/distill'
import { effectBundle } from '@fx/export/node'
import { naturalImages } from '@fx/teacher-adapters/procedural'
import type { StudentSpec } from '@fx/unet-student'
import { studentAtSize } from './at-size.js'

const SIZE = 256
const SMALLER = [192, 128]
/** No pair was made of it. */
const PROBE_SEED = 2 ** 32

/**
 * What ships of a student that was trained on crops: the painter for whole frames, stretched to 256 x 256 pixels.
 *
 * @param folder default `bundle` in the folder of the run.
 */
export const painterBundle =
  (folder?: string): Exporter =>
  async trained => {
    const at = (size: number) => studentAtSize(trained.model, trained.spec as StudentSpec, size)
    const student = at(SIZE)
    const exporter = effectBundle({
      ...(folder && { folder }),
      name: 'Painter',
      description:
        'Paints the whole frame in brush strokes that follow its edges, as the anisotropic Kuwahara filter does. Learned from procedural pictures alone.',
      licence: 'CC0-1.0',
      crop: 'stretch',
      // Where nothing is painted, the frame stays as sharp as the camera has it.
      matte: true,
      smaller: () => SMALLER.map(size => at(size).model),
      tflite: true,
      weights: 'float16',
    })
    try {
      const probe = naturalImages({ seed: PROBE_SEED, size: SIZE })
      return await exporter({ ...trained, model: student.model, specHash: student.specHash, probe })
    } finally {
      student.dispose()
    }
  }
