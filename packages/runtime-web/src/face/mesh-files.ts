import { FxError } from '@fx/core'

const script = 'face_mesh.js'

/** What `@mediapipe/face_mesh` fetches on a browser with WebAssembly SIMD. */
const files = [
  script,
  'face_mesh.binarypb',
  'face_mesh_solution_packed_assets.data',
  'face_mesh_solution_packed_assets_loader.js',
  'face_mesh_solution_simd_wasm_bin.js',
  'face_mesh_solution_simd_wasm_bin.wasm',
]

const checkFile = async (url: URL, isScript: boolean): Promise<void> => {
  const failed = (code: 'missing-package' | 'not-found' | 'service-failed' | 'corrupt-file', why: string) =>
    new FxError(code, `Cannot load the face mesh: ${why}`, { details: { url: url.href } })
  const remedy = 'npm i @mediapipe/face_mesh, and serve its folder there'
  let response: Response
  try {
    response = await fetch(url)
  } catch (error) {
    throw failed('service-failed', `${url.href}: ${error instanceof Error ? error.message : String(error)}`)
  }
  // Only the answer's head is of interest; its body is fetched by the package itself.
  await response.body?.cancel()
  const { status } = response
  if (status === 404 || status === 410) {
    throw isScript
      ? failed('missing-package', `${url.href} answers ${status}. ${remedy}`)
      : failed('not-found', `${url.href} answers ${status}. Serve all files of @mediapipe/face_mesh there`)
  }
  if (!response.ok) throw failed('service-failed', `${url.href} answers ${status}`)
  if (response.headers.get('content-type')?.startsWith('text/html')) {
    throw failed(isScript ? 'missing-package' : 'corrupt-file', `${url.href} is a web page. ${remedy}`)
  }
}

/**
 * Asks the server for each file first: the package itself waits for ever, or fails with a riddle, when one is missing.
 *
 * @throws FxError `missing-package`, `not-found`, `service-failed`, `corrupt-file`.
 */
export const checkFiles = async (folder: URL): Promise<void> => {
  // Where the script is missing everything is: that is what to tell.
  await checkFile(new URL(script, folder), true)
  await Promise.all(files.slice(1).map(file => checkFile(new URL(file, folder), false)))
}

/** Runs a classic script in the page. */
export const loadScript = (url: URL): Promise<void> =>
  new Promise((resolve, reject) => {
    const element = document.createElement('script')
    element.src = url.href
    element.crossOrigin = 'anonymous'
    element.onload = () => resolve()
    element.onerror = () => reject(new FxError('service-failed', `Cannot load the face mesh: ${url.href} did not run`))
    document.head.append(element)
    element.remove()
  })
