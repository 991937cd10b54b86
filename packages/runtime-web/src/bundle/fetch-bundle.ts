import { type BundleFile, type EffectBundleManifest, FxError, parseBundleManifest } from '@fx/core'
import type { io } from '@tensorflow/tfjs-core'
import { fetchBytes, fetchFile } from './fetch-file.js'

/** A bundle in memory, every fetched file checked. */
export interface LoadedBundle {
  manifest: EffectBundleManifest
  model: io.ModelArtifacts
  /** Raw RGB bytes, HWC. */
  probe: { input: Uint8Array; output: Uint8Array }
}

const json = (url: URL, bytes: Uint8Array): unknown => {
  const text = new TextDecoder().decode(bytes)
  try {
    return JSON.parse(text)
  } catch (error) {
    const what = /^\s*</.test(text)
      ? 'a web page: the server may answer unknown paths with one'
      : (error as Error).message
    throw new FxError('corrupt-file', `${url.href} is not JSON but ${what}`, {
      cause: error,
      details: { url: url.href },
    })
  }
}

/** The entry of a file that the manifest refers to. */
const entry = (manifest: EffectBundleManifest, path: string): BundleFile => {
  const file = manifest.files.find(file => file.path === path)
  if (file === undefined)
    throw new FxError('corrupt-file', `effect.json refers to '${path}' but does not list it in files`)
  return file
}

/**
 * Fetches what a runtime needs of a bundle (the README stays on the server) and checks size and SHA-256 of every file.
 *
 * @throws FxError `not-found`, `service-failed`, `corrupt-file`, `checksum-mismatch`, `newer-version`, `aborted`.
 */
export const fetchBundle = async (url: URL, signal?: AbortSignal): Promise<LoadedBundle> => {
  const manifest = parseBundleManifest(json(url, await fetchBytes(url, signal)))
  const fetched = (path: string) => fetchFile(url, entry(manifest, path), signal)
  const [modelBytes, input, output] = await Promise.all([
    fetched(manifest.model.path),
    fetched(manifest.probe.input),
    fetched(manifest.probe.output),
  ])
  const { weightsManifest, ...topology } = json(new URL(manifest.model.path, url), modelBytes) as io.ModelJSON
  if (!Array.isArray(weightsManifest))
    throw new FxError('corrupt-file', `${manifest.model.path} has no weightsManifest`)
  const folder = manifest.model.path.slice(0, manifest.model.path.lastIndexOf('/') + 1)
  const buffers = await Promise.all(
    weightsManifest.flatMap(({ paths }) => paths).map(async path => (await fetched(folder + path)).buffer),
  )
  const model = {
    ...(topology as io.ModelArtifacts),
    weightSpecs: weightsManifest.flatMap(({ weights }) => weights),
    weightData: buffers.length === 1 ? buffers[0]! : buffers,
  }
  return { manifest, model, probe: { input, output } }
}
