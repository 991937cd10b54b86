import { createBell, type Feed } from './feed.js'

/**
 * The frames of a stream, which is read as fast as it comes. When stopped it is released, so that whoever owns it reads on.
 */
export const streamFeed = (stream: ReadableStream<VideoFrame>): Feed => {
  const reader = stream.getReader()
  const bell = createBell()
  let newest: { frame: VideoFrame } | undefined
  let ended = false
  let failure: unknown
  let dropped = 0

  const read = async (): Promise<void> => {
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (done || ended) {
          value?.close()
          break
        }
        if (newest !== undefined) {
          newest.frame.close()
          dropped++
        }
        newest = { frame: value }
        bell.ring()
      }
    } catch (error) {
      // A reader that is released rejects what it was asked for.
      if (!ended) failure = error
    }
    ended = true
    bell.ring()
  }
  void read()

  const take = () => {
    const taken = newest
    newest = undefined
    return taken
  }

  return {
    next: async () => {
      for (;;) {
        const taken = take()
        if (taken !== undefined) return { ...taken, at: performance.now(), repeated: false }
        if (failure !== undefined) throw failure
        if (ended) return undefined
        await bell.wait()
      }
    },
    refresh: () => {},
    dropped: () => dropped,
    stop: () => {
      ended = true
      take()?.frame.close()
      reader.releaseLock()
      bell.ring()
    },
  }
}
