/** Keeps the page for use without a network. A server whose modules are replaced while they run has nothing to keep. */
export const keepOffline = async (): Promise<void> => {
  if (import.meta.hot !== undefined || !('serviceWorker' in navigator)) return
  try {
    await navigator.serviceWorker.register('/service-worker.js')
  } catch {
    // The page works, with a network.
  }
}
