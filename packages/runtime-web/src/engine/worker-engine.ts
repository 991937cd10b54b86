import { FxError } from '@fx/core'
import { throwIfAborted } from '../aborted.js'
import { fromMessage, type Request, type Response } from './messages.js'
import { type BackendOptions, disposedError, type Engine } from './types.js'

interface Waiting {
  resolve(pixels: Uint8ClampedArray<ArrayBuffer>): void
  reject(error: unknown): void
}

/**
 * Loads the effect in `worker` and gives it the face of an engine. The worker is terminated by `dispose`, by a failed
 * load and by the signal.
 */
export const loadWorkerEngine = (
  worker: Worker,
  url: URL,
  options: BackendOptions,
  signal?: AbortSignal,
): Promise<Engine> => {
  const waiting = new Map<number, Waiting>()
  let nextId = 0
  let ended: Error | undefined
  const end = (error: Error): void => {
    ended ??= error
    worker.terminate()
    for (const { reject } of waiting.values()) reject(ended)
    waiting.clear()
  }
  const post = (request: Request, transfer: Transferable[] = []): void => worker.postMessage(request, transfer)

  const run: Engine['run'] = (frame, parameters) =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) throw ended
      const id = nextId++
      // Pixels are copied; a bitmap or video frame moves to the worker, which closes it.
      post({ type: 'run', id, frame, parameters }, 'close' in frame ? [frame as Transferable] : [])
      waiting.set(id, { resolve, reject })
    })

  return new Promise((resolve, reject) => {
    const abort = (): void => fail(new FxError('aborted', 'Loading the effect was aborted', { cause: signal?.reason }))
    const settled = (): void => signal?.removeEventListener('abort', abort)
    const fail = (error: Error): void => {
      settled()
      end(error)
      reject(error)
    }
    worker.addEventListener('error', event => {
      fail(new FxError('service-failed', `The worker failed: ${event.message || 'its script could not be loaded'}`))
    })
    worker.addEventListener('message', ({ data }: MessageEvent<Response>) => {
      switch (data.type) {
        case 'loaded':
          settled()
          resolve({ ...data, run, dispose: () => end(disposedError()) })
          break
        case 'load-failed':
          fail(fromMessage(data.error))
          break
        case 'result':
          waiting.get(data.id)?.resolve(data.pixels)
          waiting.delete(data.id)
          break
        case 'run-failed':
          waiting.get(data.id)?.reject(fromMessage(data.error))
          waiting.delete(data.id)
          break
      }
    })
    signal?.addEventListener('abort', abort)
    try {
      throwIfAborted(signal)
      post({ type: 'load', url: url.href, options })
    } catch (error) {
      fail(error as Error)
    }
  })
}
