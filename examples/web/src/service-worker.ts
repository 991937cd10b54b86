/// <reference lib="webworker" />

/** Every file of this build but its page, by path. All are named by what they hold, so a path never means another content. */
declare const __FILES__: { now: string[]; later: string[] }

const scope = globalThis as unknown as ServiceWorkerGlobalScope
const cacheName = 'fx-page'
const page = '/index.html'
const { now, later } = __FILES__
const known = new Set([...now, ...later])

/** Fetches what is not there yet, so that a new build costs only what is new in it; the page last, when all else is there. */
const fill = async (): Promise<void> => {
  const cache = await caches.open(cacheName)
  const missing = await Promise.all(now.map(async path => ((await cache.match(path)) === undefined ? [path] : [])))
  await cache.addAll(missing.flat())
  await cache.add(new Request(page, { cache: 'reload' }))
}

/** Forgets the files of the builds before. */
const tidy = async (): Promise<void> => {
  const cache = await caches.open(cacheName)
  for (const request of await cache.keys()) {
    const { pathname } = new URL(request.url)
    if (pathname !== page && !known.has(pathname)) await cache.delete(request)
  }
}

/** The page comes from the network, so that it is never that of an older build; from the cache only without a network. */
const newestPage = async (request: Request): Promise<Response> => {
  try {
    return await fetch(request)
  } catch (error) {
    const kept = await caches.match(page, { cacheName })
    if (kept === undefined) throw error
    return kept
  }
}

const asset = async (request: Request, path: string): Promise<Response> => {
  const cache = await caches.open(cacheName)
  const kept = await cache.match(path)
  if (kept !== undefined) return kept
  const response = await fetch(request)
  if (response.status === 200) await cache.put(path, response.clone())
  return response
}

scope.addEventListener('install', event => {
  event.waitUntil(fill().then(() => scope.skipWaiting()))
})
scope.addEventListener('activate', event => {
  event.waitUntil(tidy().then(() => scope.clients.claim()))
})
scope.addEventListener('fetch', event => {
  const { request } = event
  const { origin, pathname } = new URL(request.url)
  if (request.method !== 'GET' || origin !== scope.location.origin) return
  if (request.mode === 'navigate' && (pathname === '/' || pathname === page)) event.respondWith(newestPage(request))
  else if (known.has(pathname)) event.respondWith(asset(request, pathname))
})
