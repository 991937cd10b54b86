/// <reference lib="webworker" />
import { type BundleReader, openBundle } from './bundle/reader.js'
import type { Renderer } from './frame/renderer.js'
import { startHere } from './start-here.js'
import { type Calls, type Request, type Response, toMessage } from './worker/messages.js'

/** The worker's end of `loadEffect`: one effect for each worker, which ends by being terminated. */
const scope = globalThis as unknown as DedicatedWorkerGlobalScope
let bundle: BundleReader | undefined
let renderer: Renderer | undefined

const answer = async (request: Request): Promise<[Calls[keyof Calls]['answer'], ...Transferable[]]> => {
  switch (request.call) {
    case 'read': {
      bundle = await openBundle(new URL(request.url))
      return [{ manifest: bundle.manifest, hash: bundle.hash }]
    }
    case 'start': {
      const { renderer: made, ...started } = await startHere(bundle!, request.options)
      renderer = made
      return [started]
    }
    case 'run': {
      const result = await renderer!.run(request.frame, request.values)
      return [result, result.pixels.buffer]
    }
    case 'render': {
      const result = await renderer!.render(request.frame, request.look)
      return [result, result.picture]
    }
    case 'open':
      await renderer!.open(request.size)
      return [undefined]
    case 'close':
      renderer!.close(request.size)
      return [undefined]
  }
}

const handle = async (request: Request): Promise<void> => {
  const post = (response: Response, transfer: Transferable[] = []): void => scope.postMessage(response, transfer)
  try {
    const [result, ...transfer] = await answer(request)
    post({ id: request.id, answer: result }, transfer)
  } catch (error) {
    post({ id: request.id, error: toMessage(error) })
  }
}

scope.addEventListener('message', (event: MessageEvent<Request>) => void handle(event.data))
