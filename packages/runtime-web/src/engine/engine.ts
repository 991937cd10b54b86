import { FxError } from '@fx/core'
import * as tfc from '@tensorflow/tfjs-converter'
import { io } from '@tensorflow/tfjs-core'
import { throwIfAborted } from '../aborted.js'
import { fetchBundle, type LoadedBundle } from '../bundle/fetch-bundle.js'
import { createCapture } from '../frame/capture.js'
import { createFrameRunner, type FrameRunner } from '../frame/frame-runner.js'
import { rgbToRgba } from '../frame/pixels.js'
import { startBackend } from './backend.js'
import { type BackendOptions, disposedError, type Engine } from './types.js'

/** Runs the bundle's probe: a device whose engine computes wrongly is found out before a user sees it. */
const checkProbe = async ({ manifest, probe }: LoadedBundle, runner: FrameRunner, backend: string): Promise<void> => {
  const actual = await runner.run(rgbToRgba(probe.input))
  const expected = rgbToRgba(probe.output)
  let worst = Math.abs(expected.length - actual.length)
  for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Math.abs(expected[i]! - actual[i]!))
  const { tolerance } = manifest.probe
  if (worst > tolerance) {
    throw new FxError(
      'backend-unavailable',
      `The ${backend} backend computes this effect wrongly here: off by ${worst} of 255, allowed are ${tolerance}`,
      { details: { backend, difference: worst, tolerance } },
    )
  }
}

/**
 * Fetches a bundle, starts a backend, loads the model and proves it on the probe. Leaves no tensor behind when it fails.
 *
 * @throws FxError as `loadEffect`.
 */
export const loadEngine = async (url: URL, options: BackendOptions, signal?: AbortSignal): Promise<Engine> => {
  const [bundle, backend] = await Promise.all([fetchBundle(url, signal), startBackend(options)])
  const { manifest } = bundle
  let model: tfc.GraphModel
  try {
    model = await tfc.loadGraphModel(io.fromMemory(bundle.model))
  } catch (error) {
    throw new FxError('corrupt-file', `The model of this bundle cannot be loaded: ${(error as Error).message}`, {
      cause: error,
    })
  }
  const runner = createFrameRunner(model, manifest)
  let disposed = false
  const dispose = () => {
    if (disposed) return
    disposed = true
    runner.dispose()
    model.dispose()
  }
  try {
    throwIfAborted(signal)
    await checkProbe(bundle, runner, backend.name)
    throwIfAborted(signal)
  } catch (error) {
    dispose()
    throw error
  }

  const capture = createCapture(manifest)
  let last: Promise<unknown> = Promise.resolve()
  return {
    manifest,
    backend: { name: backend.name, threads: backend.threads },
    run: (frame, parameters) => {
      const result = last.then(() => {
        if (disposed) throw disposedError()
        return runner.run(capture(frame), parameters)
      })
      last = result.catch(() => {})
      return result
    },
    dispose,
  }
}
