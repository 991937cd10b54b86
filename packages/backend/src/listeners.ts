/**
 * Runs `use`, then takes back the process-wide error listeners that it added: Emscripten's rethrow every error, so that
 * Node prints tfjs-wasm's minified source instead of the place of the error.
 */
export const withoutNewListeners = async <T>(use: () => Promise<T>): Promise<T> => {
  const events = ['uncaughtException', 'unhandledRejection'] as const
  const before = events.map(event => new Set<unknown>(process.listeners(event as never)))
  try {
    return await use()
  } finally {
    events.forEach((event, i) => {
      for (const listener of process.listeners(event as never) as (() => void)[]) {
        if (!before[i]!.has(listener)) process.removeListener(event, listener)
      }
    })
  }
}
