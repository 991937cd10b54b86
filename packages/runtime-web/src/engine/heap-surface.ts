import * as tf from '@tensorflow/tfjs-core'
import { inputContext, inputTable, outputContext, readOutput, writeInput } from './pixels.js'
import type { StudentShape, Surface } from './surface.js'

/** Backends that compute in memory which JavaScript can see: tfjs-wasm. */
interface HeapBackend {
  typedArrayFromHeap?(tensor: tf.TensorInfo): Float32Array
}

/** Pixels through main memory: on wasm straight into the input tensor's place on the heap, and straight from the output's. */
export const heapSurface = (backend: HeapBackend, shape: StudentShape): Surface => {
  const { width, height, channels } = shape
  const size: [number, number, number, number] = [1, height, width, 3]
  const table = inputTable(shape.input)
  const onHeap = backend.typedArrayFromHeap !== undefined
  const resident = onHeap ? tf.keep(tf.zeros(size)) : undefined
  const uploaded = onHeap ? undefined : new Float32Array(width * height * 3)
  const input = inputContext(width, height, true)
  const output = outputContext(width, height, channels === 4)
  const result = new ImageData(width, height)
  return {
    input,
    output: output.canvas,
    read: () => {
      const { data } = input.getImageData(0, 0, width, height)
      writeInput(data, table, uploaded ?? backend.typedArrayFromHeap!(resident!))
      return resident ?? tf.tensor4d(uploaded!, size)
    },
    write: tensor => {
      const values = backend.typedArrayFromHeap?.(tensor) ?? (tensor.dataSync() as Float32Array)
      readOutput(values, shape.output, channels, result.data)
      output.putImageData(result, 0, 0)
    },
    done: async () => {},
    lost: () => undefined,
    dispose: () => resident?.dispose(),
  }
}
