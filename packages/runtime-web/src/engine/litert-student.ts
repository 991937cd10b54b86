import { FxError } from '@fx/core'
import type { CompiledModel, Tensor } from '@litertjs/core'
import { throwIfAborted } from '../aborted.js'
import type { BundleReader } from '../bundle/reader.js'
import { type Litert, leaseLitert } from './litert.js'
import { inputContext, inputTable, outputContext, readOutput, writeInput } from './pixels.js'
import { type StudentShape, shapeOf } from './surface.js'
import { defaultThreads } from './threads.js'
import type { OpenStudentOptions, StudentRunner } from './types.js'
import { checkValues, engineDied, quietly } from './values.js'

/** Lets `use` see a tensor's values where they lie, in the memory of LiteRT.js. */
const withValues = (core: Litert['core'], tensor: Tensor, use: (values: Float32Array) => void): void => {
  const { liteRtWasm } = core.getGlobalLiteRt()
  const buffer = tensor.liteRtTensorBuffer
  const { READ_WRITE } = liteRtWasm.LiteRtTensorBufferLockMode
  const address = buffer.lock(READ_WRITE)
  try {
    use(new Float32Array(liteRtWasm.HEAPU8.buffer, address, buffer.packedSize() / Float32Array.BYTES_PER_ELEMENT))
  } finally {
    buffer.unlock()
  }
}

const createRunner = (litert: Litert, model: CompiledModel, shape: StudentShape): StudentRunner => {
  const { core } = litert
  const { width, height, channels } = shape
  const inputs = model
    .getInputDetails()
    .map(({ shape }) => new core.Tensor(new Float32Array(shape.reduce((size, side) => size * side, 1)), shape))
  const [image, conditioning] = inputs as [Tensor, Tensor?]
  const parameters = model.getInputDetails()[1]?.shape[1] ?? 0
  const input = inputContext(width, height, true)
  const output = outputContext(width, height, channels === 4)
  const result = new ImageData(width, height)
  const table = inputTable(shape.input)
  let disposed = false

  const dispose = (): void => {
    if (disposed) return
    disposed = true
    try {
      for (const tensor of inputs) tensor.delete()
      model.delete()
    } finally {
      litert.release()
    }
  }

  return {
    engine: 'litert',
    threads: litert.threads,
    width,
    height,
    parameters,
    input,
    run: async values => {
      checkValues(values, parameters)
      if (disposed) throw new FxError('aborted', 'This student was disposed')
      try {
        const { data } = input.getImageData(0, 0, width, height)
        withValues(core, image, memory => writeInput(data, table, memory))
        if (conditioning !== undefined) withValues(core, conditioning, memory => memory.set(values))
        const [answer] = await model.run(inputs)
        withValues(core, answer!, memory => readOutput(memory, shape.output, channels, result.data))
        answer!.delete()
      } catch (error) {
        quietly(dispose)
        litert.kill()
        throw engineDied('litert', error)
      }
      output.putImageData(result, 0, 0)
      return output.canvas
    },
    memory: () => ({
      tensors: disposed ? 0 : inputs.length,
      bytes: disposed ? 0 : core.getGlobalLiteRt().liteRtWasm.HEAPU8.byteLength,
    }),
    dispose,
  }
}

/** Loads the TensorFlow Lite file of a bundle into LiteRT.js. Nothing is proven yet. */
export const openLitertStudent = async (bundle: BundleReader, options: OpenStudentOptions): Promise<StudentRunner> => {
  const { tflite } = bundle.manifest
  const { litertPath, threads = defaultThreads(), signal } = options
  const unavailable = (why: string) => new FxError('backend-unavailable', why)
  if (tflite === undefined) throw unavailable('This bundle has no TensorFlow Lite file')
  if (litertPath === undefined) {
    throw unavailable('litertPath does not say where the folder wasm of @litertjs/core is served')
  }
  const file = await bundle.read(tflite.path, signal)
  const litert = await leaseLitert(litertPath.endsWith('/') ? litertPath : `${litertPath}/`, threads)
  let model: CompiledModel | undefined
  try {
    throwIfAborted(signal)
    model = await litert.core.loadAndCompile(file, {
      accelerator: 'wasm',
      cpuOptions: { numThreads: litert.threads },
    })
    return createRunner(litert, model, shapeOf(bundle.manifest))
  } catch (error) {
    model?.delete()
    litert.release()
    throw FxError.isInstance(error) ? error : engineDied('litert', error)
  }
}
