import { FxError } from '@fx/core'
import { type GraphModel as AnyGraphModel, loadGraphModelSync } from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import { throwIfAborted } from '../aborted.js'
import type { BundleReader } from '../bundle/reader.js'
import { gpuSurface } from './gpu-surface.js'
import { heapSurface } from './heap-surface.js'
import { type Lease, leaseBackend } from './lease.js'
import { readModelArtifacts } from './model-artifacts.js'
import { type StudentShape, type Surface, shapeOf } from './surface.js'
import type { OpenStudentOptions, StudentRunner } from './types.js'
import { checkValues, engineDied, messageOf, quietly } from './values.js'
import { type WebglBackend, webglPainter } from './webgl-painter.js'
import { type WebgpuBackend, webgpuPainter } from './webgpu-painter.js'

type GraphModel = AnyGraphModel<tf.io.IOHandlerSync>

export type TfjsEngine = 'webgpu' | 'webgl' | 'wasm' | 'cpu'

const surfaceOn = (engine: TfjsEngine, backend: object, shape: StudentShape): Surface => {
  const { width, height, channels } = shape
  if (engine === 'webgpu') return gpuSurface(webgpuPainter(backend as WebgpuBackend, width, height), shape)
  if (engine === 'webgl') return gpuSurface(webglPainter(backend as WebglBackend, width, height, channels), shape)
  return heapSurface(backend, shape)
}

const load = (artifacts: tf.io.ModelArtifacts, path: string): GraphModel => {
  try {
    const model = loadGraphModelSync(artifacts)
    // The model would keep them for saving.
    artifacts.weightData = undefined
    return model
  } catch (error) {
    throw new FxError('corrupt-file', `The model ${path} cannot be loaded: ${messageOf(error)}`, { cause: error })
  }
}

const createRunner = (
  engine: TfjsEngine,
  lease: Lease,
  model: GraphModel,
  surface: Surface,
  parameters: number,
): StudentRunner => {
  const [imageName, parametersName] = model.inputs.map(({ name }) => name)
  let before = Promise.resolve()
  /** Of the work that the device was given. */
  let failure: unknown
  let disposed = false

  const dispose = (): void => {
    if (disposed) return
    disposed = true
    quietly(() => surface.dispose())
    quietly(() => model.dispose())
    lease.release()
  }
  const throwIfDead = (): void => {
    if (disposed) throw new FxError('aborted', 'This student was disposed')
    if (failure !== undefined) throw failure
    const why = surface.lost() ?? (lease.backend() === undefined ? 'its backend has ended' : undefined)
    if (why !== undefined) throw new Error(why)
  }
  const compute = (values: readonly number[]): void => {
    lease.use()
    tf.tidy(() => {
      const inputs: tf.NamedTensorMap = { [imageName!]: surface.read() }
      if (parametersName !== undefined) inputs[parametersName] = tf.tensor2d([[...values]])
      surface.write(model.execute(inputs) as tf.Tensor)
    })
  }

  return {
    engine,
    threads: lease.threads,
    width: surface.output.width,
    height: surface.output.height,
    parameters,
    input: surface.input,
    run: async values => {
      checkValues(values, parameters)
      await before
      await lease.ready()
      try {
        throwIfDead()
        compute(values)
        throwIfDead()
        before = surface.done().catch(error => {
          failure = error
        })
        return surface.output
      } catch (error) {
        if (FxError.isInstance(error, 'aborted')) throw error
        lease.kill()
        dispose()
        throw engineDied(engine, error)
      }
    },
    memory: () => {
      // Without tf.memory(), which starts a backend where none runs.
      const { numTensors, numBytes } = tf.engine().state
      return { tensors: numTensors, bytes: numBytes }
    },
    dispose,
  }
}

/** Loads one graph model of a bundle into a tfjs backend. Nothing is proven yet. */
export const openTfjsStudent = async (
  bundle: BundleReader,
  path: string,
  options: OpenStudentOptions & { engine: TfjsEngine },
): Promise<StudentRunner> => {
  const { engine, size, software = true, signal } = options
  const shape = shapeOf(bundle.manifest, size)
  const artifacts = await readModelArtifacts(bundle, path, signal)
  const lease = await leaseBackend(engine, { ...options, software })
  let model: GraphModel | undefined
  let surface: Surface | undefined
  try {
    throwIfAborted(signal)
    await lease.ready()
    lease.use()
    model = load(artifacts, path)
    surface = surfaceOn(engine, lease.backend()!, shape)
    const parameters = model.inputs.length > 1 ? Object.keys(bundle.manifest.effect.parameters).length : 0
    return createRunner(engine, lease, model, surface, parameters)
  } catch (error) {
    quietly(() => surface?.dispose())
    quietly(() => model?.dispose())
    lease.release()
    throw FxError.isInstance(error) ? error : engineDied(engine, error)
  }
}
