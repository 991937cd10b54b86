import { FxError } from '@fx/core'
import { abortedError, throwIfAborted } from '../aborted.js'
import { disposedError } from '../engine/types.js'
import type { Renderer } from '../frame/renderer.js'
import {
  type Calls,
  fromMessage,
  type Read,
  type Request,
  type Response,
  type Started,
  type StartOptions,
} from './messages.js'

interface Waiting {
  resolve(answer: never): void
  reject(error: unknown): void
}

/**
 * Loads an effect in `worker`, whose options may depend on the bundle, and gives it the face of a renderer. The worker is terminated by `dispose`, by a failed load,
 * by the signal while it loads, and when it fails.
 */
export const loadInWorker = async (
  worker: Worker,
  url: URL,
  optionsFor: (bundle: Read) => StartOptions,
  signal?: AbortSignal,
): Promise<Read & Started & { renderer: Renderer }> => {
  const waiting = new Map<number, Waiting>()
  let nextId = 0
  let ended: Error | undefined
  const end = (error: Error): void => {
    ended ??= error
    worker.terminate()
    for (const { reject } of waiting.values()) reject(ended)
    waiting.clear()
  }
  const ask = <Name extends keyof Calls>(
    call: Name,
    parameters: Calls[Name]['ask'],
    transfer: Transferable[] = [],
  ): Promise<Calls[Name]['answer']> =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) throw ended
      const id = nextId++
      worker.postMessage({ id, call, ...parameters } as Request, transfer)
      waiting.set(id, { resolve, reject })
    })

  worker.addEventListener('error', event => {
    const what = event.message || 'its script could not be loaded'
    end(new FxError('service-failed', `The worker failed: ${what}`))
  })
  worker.addEventListener('message', ({ data }: MessageEvent<Response>) => {
    const caller = waiting.get(data.id)
    waiting.delete(data.id)
    if ('error' in data) caller?.reject(fromMessage(data.error))
    else caller?.resolve(data.answer as never)
  })
  const abort = (): void => end(abortedError(signal))
  signal?.addEventListener('abort', abort)
  try {
    throwIfAborted(signal)
    const bundle = await ask('read', { url: url.href })
    const started = await ask('start', { options: optionsFor(bundle) })
    const sent = async <Result>(frame: VideoFrame | ImageBitmap, answer: () => Promise<Result>): Promise<Result> => {
      try {
        return await answer()
      } finally {
        // What reached the worker is detached here, and closing it does nothing; what did not is freed.
        frame.close()
      }
    }
    const renderer: Renderer = {
      run: (frame, values) => sent(frame, () => ask('run', { frame, values }, [frame])),
      render: (frame, look) => sent(frame, () => ask('render', { frame, look }, [frame])),
      open: size => ask('open', { size }),
      close: size => void ask('close', { size }).catch(() => {}),
      dispose: () => end(disposedError()),
    }
    return { ...bundle, ...started, renderer }
  } catch (error) {
    end(error as Error)
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}
