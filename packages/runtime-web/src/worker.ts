/// <reference lib="webworker" />
import { loadEngine } from './engine/engine.js'
import { type Request, type Response, toMessage } from './engine/messages.js'
import type { Engine } from './engine/types.js'

/** The worker's end of `loadEffect`: one effect for each worker, which ends by being terminated. */
const scope = globalThis as unknown as DedicatedWorkerGlobalScope
let engine: Engine | undefined

const post = (response: Response, transfer: Transferable[] = []): void => scope.postMessage(response, transfer)

const handle = async (request: Request): Promise<void> => {
  if (request.type === 'load') {
    try {
      engine = await loadEngine(new URL(request.url), request.options)
      post({ type: 'loaded', manifest: engine.manifest, backend: engine.backend })
    } catch (error) {
      post({ type: 'load-failed', error: toMessage(error) })
    }
    return
  }
  const { id, frame, parameters } = request
  try {
    const pixels = await engine!.run(frame, parameters)
    post({ type: 'result', id, pixels }, [pixels.buffer])
  } catch (error) {
    post({ type: 'run-failed', id, error: toMessage(error) })
  } finally {
    if ('close' in frame) frame.close()
  }
}

scope.addEventListener('message', (event: MessageEvent<Request>) => void handle(event.data))
