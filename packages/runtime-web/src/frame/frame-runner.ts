import { defaultParameters, type EffectBundleManifest, FxError, listed } from '@fx/core'
import type { GraphModel } from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import { inputTable, readOutput, writeInput } from './pixels.js'

/** Runs a student on frames of its own size, bytes to bytes. */
export interface FrameRunner {
  /**
   * @param rgba `width * height * 4` bytes of the student's input size; alpha is ignored.
   * @param parameters values of effect parameters; the others keep their default.
   * @returns as many bytes, opaque.
   * @throws FxError `shape-mismatch` (number of bytes), `invalid-argument` (a parameter that is unknown, out of range, or
   *   that the student does not take).
   */
  run(rgba: Uint8ClampedArray, parameters?: Record<string, number>): Promise<Uint8ClampedArray<ArrayBuffer>>
  /** Frees the input tensor. The model stays the caller's. */
  dispose(): void
}

/** Backends that compute in memory which JavaScript can see: tfjs-wasm. */
interface HeapBackend {
  typedArrayFromHeap(tensor: tf.TensorInfo): Float32Array
}

const heapBackend = (): HeapBackend | undefined => {
  const backend = tf.backend() as Partial<HeapBackend>
  return typeof backend.typedArrayFromHeap === 'function' ? (backend as HeapBackend) : undefined
}

const parameterValues = ({ effect }: EffectBundleManifest, given: Record<string, number>, taken: boolean): number[] => {
  for (const [name, value] of Object.entries(given)) {
    const range = effect.parameters[name]
    if (range === undefined) {
      const known = listed(Object.keys(effect.parameters))
      throw new FxError('invalid-argument', `Effect '${effect.id}' has no parameter '${name}', allowed are ${known}`)
    }
    if (!taken) {
      throw new FxError(
        'invalid-argument',
        `The student of '${effect.id}' takes no parameters, '${name}' is fixed in it`,
      )
    }
    if (!(value >= range.min && value <= range.max)) {
      throw new FxError('invalid-argument', `Parameter '${name}' is ${value}, allowed are ${range.min} to ${range.max}`)
    }
  }
  return Object.values({ ...defaultParameters(effect), ...given })
}

/**
 * The pure-tfjs core of the runtime, the same in a page, a worker and Node. On wasm the pixels go straight into the
 * input tensor's place on the heap and come straight from the output's; elsewhere they are uploaded and read back.
 * Frames must not overlap: wait for one before the next.
 *
 * @param model of the bundle, on the current backend.
 */
export const createFrameRunner = (model: GraphModel, manifest: EffectBundleManifest): FrameRunner => {
  const { width, height, range } = manifest.input
  const shape: [number, number, number, number] = [1, height, width, 3]
  const table = inputTable(range)
  const heap = heapBackend()
  const uploaded = new Float32Array(heap === undefined ? width * height * 3 : 0)
  const resident = heap === undefined ? undefined : tf.keep(tf.zeros(shape))
  const [imageName, parametersName] = model.inputs.map(({ name }) => name)

  const predict = (rgba: Uint8ClampedArray, parameters: number[]): tf.Tensor => {
    if (resident !== undefined) writeInput(rgba, table, heap!.typedArrayFromHeap(resident))
    else writeInput(rgba, table, uploaded)
    return tf.tidy(() => {
      const image = resident ?? tf.tensor4d(uploaded, shape)
      const inputs: tf.NamedTensorMap = { [imageName!]: image }
      if (parametersName !== undefined) inputs[parametersName] = tf.tensor2d([parameters])
      return model.execute(inputs) as tf.Tensor
    })
  }

  return {
    run: async (rgba, given = {}) => {
      if (rgba.length !== width * height * 4) {
        throw new FxError('shape-mismatch', `The frame has ${rgba.length} bytes, allowed are ${width}x${height} RGBA`)
      }
      const output = predict(rgba, parameterValues(manifest, given, parametersName !== undefined))
      try {
        const values = heap?.typedArrayFromHeap(output) ?? ((await output.data()) as Float32Array)
        const result = new Uint8ClampedArray(rgba.length)
        readOutput(values, manifest.output.range, result)
        return result
      } finally {
        output.dispose()
      }
    },
    dispose: () => resident?.dispose(),
  }
}
