import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '@fx/core'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { resample } from '../src/imagen/hosted/resample.js'
import { decodePng, encodePng, type RgbImage } from '../src/index.js'

/** A request of the SDK, as it came over the wire. */
export interface HostedRequest {
  path: string
  headers: IncomingHttpHeaders
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it freely.
  body: any
  /** The photograph that it brings. */
  image?: RgbImage
  /** Counts the requests with these pixels and words, from 1. */
  attempt: number
  at: number
}

/** What the server does with a request. */
export type Reply = (request: HostedRequest, response: ServerResponse) => unknown

interface WireImage {
  data: Uint8Array | string
  mimeType?: string
  filtered?: string
}

const base64 = (data: Uint8Array | string): string => Buffer.from(data as string).toString('base64')

/** The same answer in the words of the wire that was spoken. */
const inItsWire = (path: string, images: readonly WireImage[]): object => {
  if (path.endsWith(':predict')) {
    return {
      predictions: images.map(({ data, mimeType = 'image/png', filtered }) =>
        filtered ? { raiFilteredReason: filtered } : { bytesBase64Encoded: base64(data), mimeType },
      ),
    }
  }
  const parts = images.map(({ data, mimeType = 'image/png' }) => ({ inlineData: { mimeType, data: base64(data) } }))
  return {
    candidates: [{ content: { role: 'model', parts: [{ text: 'Here it is.' }, ...parts] }, finishReason: 'STOP' }],
    usageMetadata: { promptTokenCount: 300, candidatesTokenCount: 1290, totalTokenCount: 1590 },
    modelVersion: 'test-image-model',
  }
}

export const json =
  (body: unknown, status = 200, headers: Record<string, string> = {}): Reply =>
  (_, response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))

/** Google's form of an error. */
export const failure = (
  code: number,
  message: string,
  headers?: Record<string, string>,
  details: object[] = [],
): Reply => json({ error: { code, message, status: `STATUS_${code}`, details } }, code, headers)

export const images =
  (...list: WireImage[]): Reply =>
  (request, response) =>
    json(inItsWire(request.path, list))(request, response)

/** Paints the disc of a `photograph` blue, as a service would: at a size of its own. */
export const edit = (image: RgbImage, scale = 1.5): RgbImage => {
  const { width: side } = image
  const size = Math.round(side * scale)
  return resample(painted(image), { left: 0, top: 0, width: side, height: side }, size, size)
}

/** The picture with what is as red as the disc painted blue. */
const painted = (image: RgbImage): RgbImage => {
  const data = image.data.slice()
  for (let p = 0; p < data.length; p += 3) {
    if (data[p]! >= 200 && data[p + 1]! < 64 && data[p + 2]! < 64) data.set([40, 60, 210], p)
  }
  return { ...image, data }
}

export const edited: Reply = (request, response) => images({ data: encodePng(edit(request.image!)) })(request, response)

/** Ends the connection in the middle of an answer. */
export const cut: Reply = async (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100000' }).write('{"candidates":')
  await sleep(5)
  response.destroy()
}

/** Sends a little of the body, and nothing more until the client gives up. */
export const slow: Reply = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).write('{"candidates":')
}

export interface HostedServer {
  readonly url: string
  readonly requests: HostedRequest[]
  reply: Reply
}

/** A server that speaks the wire of Gemini and of Vertex AI, for each test or for all of a file. */
export const hostedServer = (scope: 'test' | 'file' = 'test'): HostedServer => {
  let url = ''
  let requests: HostedRequest[] = []
  const attempts = new Map<string, number>()
  const state = { reply: edited }
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const attempt = (attempts.get(text) ?? 0) + 1
    attempts.set(text, attempt)
    const body = text.startsWith('{') ? JSON.parse(text) : text
    const sent =
      body.contents?.[0].parts.find((part: { inlineData?: object }) => part.inlineData)?.inlineData.data ??
      body.instances?.[0].referenceImages?.[0].referenceImage.bytesBase64Encoded
    const request: HostedRequest = {
      path: incoming.url!,
      headers: incoming.headers,
      body,
      attempt,
      at: performance.now(),
      ...(sent && { image: decodePng(Buffer.from(sent, 'base64')) }),
    }
    requests.push(request)
    await state.reply(request, response)
  })
  const [before, after] = scope === 'test' ? [beforeEach, afterEach] : [beforeAll, afterAll]
  before(async () => {
    requests = []
    attempts.clear()
    state.reply = edited
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return {
    get url() {
      return url
    },
    get requests() {
      return requests
    },
    get reply() {
      return state.reply
    },
    set reply(reply) {
      state.reply = reply
    },
  }
}

/** Random hills of a channel, on a lattice of `step` points over -64 to 128. */
const hills = (index: number, step: number, channel: number): ((u: number, v: number) => number) => {
  const cells = Math.ceil(192 / step) + 2
  const { uniform } = seededRandom('scene', index, step, channel)
  const heights = Float64Array.from({ length: cells * cells }, () => uniform() - 0.5)
  return (u, v) => {
    const [x, y] = [(u + 64) / step, (v + 64) / step]
    const [column, row] = [Math.floor(x), Math.floor(y)]
    const [fx, fy] = [x - column, y - row].map(t => t * t * (3 - 2 * t)) as [number, number]
    const at = (dx: number, dy: number) => heights[(row + dy) * cells + column + dx]!
    const mix = (a: number, b: number, t: number) => a + t * (b - a)
    return mix(mix(at(0, 0), at(1, 0), fx), mix(at(0, 1), at(1, 1), fx), fy)
  }
}

/** A landscape of soft colours, another one for each index, and a red disc: the colour at a point of 0 to 64. */
const scenes = new Map<number, (u: number, v: number) => number[]>()
const sceneOf = (index: number) => {
  const known = scenes.get(index)
  if (known) return known
  const channels = [0, 1, 2].map(channel => [24, 11, 5].map(step => hills(index, step, channel)))
  const scene = (u: number, v: number) =>
    Math.hypot(u - 36, v - 28) < 14
      ? [200, 40, 40]
      : channels.map(([broad, middle, fine]) => 128 + 90 * broad!(u, v) + 90 * middle!(u, v) + 60 * fine!(u, v))
  scenes.set(index, scene)
  return scene
}

/** A view of a scene: displaced and magnified about its middle, by shares of the side. */
export const photograph = (index: number, side: number, dx = 0, dy = 0, zoom = 1): RgbImage => {
  const data = new Uint8Array(side * side * 3)
  const scene = sceneOf(index)
  const at = (i: number, shift: number) => 32 + (64 * (i / side - shift) - 32) / zoom
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) data.set(scene(at(x, dx), at(y, dy)).map(Math.round), 3 * (y * side + x))
  }
  return { width: side, height: side, data }
}

export const photographs = (count: number) => ({
  id: 'test photographs',
  count,
  load: async (indices: readonly number[], resolution: number) => indices.map(index => photograph(index, resolution)),
})
