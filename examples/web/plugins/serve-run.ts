import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs'
import { extname, join, normalize, sep } from 'node:path'
import type { Connect, Plugin } from 'vite'
import type { RunIndex } from '../src/choices.js'

const types: Record<string, string> = { '.json': 'application/json', '.png': 'image/png' }

/** Serves the folder of a run under /run, and 404 (not a page) for what is not there; /run/index.json tells whether it is. */
export const serveRun = (run: string): Plugin => {
  const isFile = (file: string): boolean => file.startsWith(run + sep) && existsSync(file) && statSync(file).isFile()
  const index = (): RunIndex => {
    const finished = isFile(join(run, 'bundle/effect.json'))
    const samples = join(run, 'samples/index.json')
    if (!finished || !isFile(samples)) return { finished }
    const [first] = JSON.parse(readFileSync(samples, 'utf8')) as { student: string }[]
    return { finished, ...(first && { picture: `samples/${first.student}` }) }
  }
  const middleware: Connect.NextHandleFunction = (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname))
    const file = join(run, path)
    const headers = { 'content-type': types[extname(file)] ?? 'application/octet-stream', 'cache-control': 'no-cache' }
    if (path === '/index.json') {
      response.writeHead(200, headers).end(JSON.stringify(index()))
    } else if (isFile(file)) {
      response.writeHead(200, headers)
      createReadStream(file).pipe(response)
    } else response.writeHead(404).end()
  }
  return {
    name: 'serve-run',
    configureServer: server => void server.middlewares.use('/run', middleware),
    configurePreviewServer: server => void server.middlewares.use('/run', middleware),
  }
}
