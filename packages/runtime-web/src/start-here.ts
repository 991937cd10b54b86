import { throwIfAborted } from './aborted.js'
import type { BundleReader } from './bundle/reader.js'
import { chooseEngine } from './engine/choose-engine.js'
import { openStudent } from './engine/open-student.js'
import { createRenderer, type Renderer } from './frame/renderer.js'
import { openStudents } from './frame/students.js'
import type { Started, StartOptions } from './worker/messages.js'

/** Starts an engine for a bundle in this thread. Leaves nothing behind when it fails. */
export const startHere = async (
  bundle: BundleReader,
  options: StartOptions,
  signal?: AbortSignal,
): Promise<Started & { renderer: Renderer }> => {
  const students = await openStudents(bundle, { ...options, signal }, { choose: chooseEngine, open: openStudent })
  try {
    throwIfAborted(signal)
  } catch (error) {
    students.dispose()
    throw error
  }
  const { tried, takesParameters } = students
  return { takesParameters, engine: students.report(), tried, renderer: createRenderer(bundle.manifest, students) }
}
