import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A web server with one file, which behaves as it is told and remembers what it was asked. */
export const startServer = async (content: Uint8Array) => {
  const state = {
    content,
    ranges: true,
    etags: true,
    status: 0,
    /** Breaks off after so many bytes of an answer. */
    breakAfter: Number.POSITIVE_INFINITY,
    requests: [] as { range?: string | undefined; status: number }[],
  }
  const etagOf = (bytes: Uint8Array): string => `"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"`
  const rangeOf = (request: IncomingMessage, etag: string): [number, number] | undefined => {
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
    const condition = request.headers['if-range']
    if (!state.ranges || from === undefined || (condition !== undefined && condition !== etag)) return undefined
    return [Number(from), to ? Math.min(Number(to), state.content.length - 1) : state.content.length - 1]
  }
  const server = createServer((request, response) => {
    const etag = etagOf(state.content)
    const range = rangeOf(request, etag)
    const status =
      state.status ||
      (state.etags && request.headers['if-none-match'] === etag
        ? 304
        : range
          ? range[0] < state.content.length
            ? 206
            : 416
          : 200)
    state.requests.push({ range: request.headers.range, status })
    response.statusCode = status
    if (state.etags) response.setHeader('etag', etag)
    if (status !== 200 && status !== 206) return void response.end()
    const body = range ? state.content.subarray(range[0], range[1] + 1) : state.content
    if (range) response.setHeader('content-range', `bytes ${range[0]}-${range[1]}/${state.content.length}`)
    response.setHeader('content-length', body.length)
    if (body.length <= state.breakAfter) return void response.end(body)
    // Late enough for the client to have taken what came: fetch drops unread bytes of a broken answer.
    response.write(body.subarray(0, state.breakAfter), () => setTimeout(() => response.destroy(), 100))
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  return {
    state,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/net.pkl`,
    stop: () =>
      new Promise<void>(done => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}
