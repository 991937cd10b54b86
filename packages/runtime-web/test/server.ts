import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'

const types: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
}

/** A static file server on the loopback interface. */
export interface TestServer {
  url: string
  close(): Promise<void>
}

/**
 * @param folders URL prefix to folder; the longest prefix that fits serves.
 * @param isolated send the headers by which a page becomes cross-origin isolated, which threads need.
 * @param more headers.
 */
export const startServer = async (
  folders: Record<string, string>,
  isolated: boolean,
  more: Record<string, string> = {},
): Promise<TestServer> => {
  const prefixes = Object.keys(folders).sort((a, b) => b.length - a.length)
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname))
    const prefix = prefixes.find(prefix => path.startsWith(prefix))
    const headers: Record<string, string> = {
      'content-type': types[extname(path)] ?? 'application/octet-stream',
      ...more,
    }
    if (isolated) {
      headers['cross-origin-opener-policy'] = 'same-origin'
      headers['cross-origin-embedder-policy'] = 'require-corp'
    }
    try {
      const data = await readFile(join(folders[prefix!]!, path.slice(prefix!.length)))
      response.writeHead(200, headers).end(data)
    } catch {
      response.writeHead(404, headers).end('not found')
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise(resolve => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}
