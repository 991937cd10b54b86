import { type Student, type StudentSpec, studentFromSpec } from '@fx/unet-student'
import type { LayersModel } from '@tensorflow/tfjs-layers'

/**
 * The same student for pictures of another size: it is made of convolutions, so its weights fit any. The caller owns it.
 *
 * @param size side of the square pictures, pixels.
 */
export const studentAtSize = (model: LayersModel, spec: StudentSpec, size: number): Student => {
  const student = studentFromSpec({ ...spec, input: { width: size, height: size } })
  student.model.setWeights(model.getWeights())
  return student
}
