import { FxError, listed } from '@fx/core'
import { throwIfAborted } from '../aborted.js'
import type { BundleReader } from '../bundle/reader.js'
import { openLitertStudent } from './litert-student.js'
import { prove, tryOut } from './prove.js'
import { openTfjsStudent } from './tfjs-student.js'
import type { EngineName, OpenStudent, OpenStudentOptions, StudentRunner } from './types.js'

/** Engines that have computed the probe of a bundle correctly in this thread. */
const proven = new WeakMap<BundleReader, Set<EngineName>>()

const load = async (bundle: BundleReader, options: OpenStudentOptions): Promise<StudentRunner> => {
  const { engine, size } = options
  const { input, model } = bundle.manifest
  const own = size === undefined || (size.width === input.width && size.height === input.height)
  const smaller = model.smaller ?? []
  const path = own ? model.path : smaller.find(at => at.width === size.width && at.height === size.height)?.path
  if (path === undefined) {
    const sizes = [input, ...smaller].map(({ width, height }) => `${width}x${height}`)
    throw new FxError(
      'invalid-argument',
      `This bundle has no model for ${size!.width}x${size!.height}, allowed are ${listed(sizes)}`,
    )
  }
  if (engine !== 'litert') return openTfjsStudent(bundle, path, { ...options, engine })
  if (!own) throw new FxError('backend-unavailable', 'This bundle has its smaller models not as TensorFlow Lite files')
  return openLitertStudent(bundle, options)
}

/** Opens a student and lets `check` pass it. What does not pass is disposed. */
const checked = async (
  bundle: BundleReader,
  options: OpenStudentOptions,
  check: typeof prove,
): Promise<StudentRunner> => {
  const runner = await load(bundle, options)
  try {
    await check(runner, bundle, options.signal)
    throwIfAborted(options.signal)
    return runner
  } catch (error) {
    runner.dispose()
    throw error
  }
}

/**
 * Opens a student of a bundle in one engine: fetches what that needs, loads it, proves it on the bundle's probe. Of a
 * smaller model the bundle has no probe: there the engine proves itself on the bundle's own model, unless it has before.
 *
 * @throws FxError as `BundleReader.read`; `backend-unavailable` saying why the engine does not work here or that it
 *   computes wrongly, `missing-package`, `invalid-argument` for a size that the bundle does not have, `aborted`.
 */
export const openStudent: OpenStudent = async (bundle, options) => {
  const { engine, size, signal } = options
  const { width, height } = bundle.manifest.input
  throwIfAborted(signal)
  const known = proven.get(bundle) ?? new Set()
  proven.set(bundle, known)
  if (size === undefined || (size.width === width && size.height === height)) {
    const runner = await checked(bundle, options, prove)
    known.add(engine)
    return runner
  }
  // Kept until the smaller one is open, so that the engine is not started twice.
  const witness = known.has(engine) ? undefined : await openStudent(bundle, { ...options, size: undefined })
  try {
    return await checked(bundle, options, tryOut)
  } finally {
    witness?.dispose()
  }
}
