import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import type { Plugin } from 'vite'

const wasm = dirname(createRequire(import.meta.url).resolve('@litertjs/core/wasm/litert_wasm_internal.js'))
const { version } = JSON.parse(readFileSync(join(wasm, '../package.json'), 'utf8')) as { version: string }

/** Where the page finds the wasm files of LiteRT.js. */
export const litertPath = `/litert-${version}/`

const kinds = ['', 'threaded_', 'compat_']
const names = kinds.flatMap(kind => ['js', 'wasm'].map(ending => `litert_wasm_${kind}internal.${ending}`))

/** Serves LiteRT.js, 9 MB for whoever chooses it, and copies it into a build. */
export const litert = (): Plugin => ({
  name: 'litert',
  configureServer: server =>
    void server.middlewares.use(litertPath, (request, response, next) => {
      const file = join(wasm, new URL(request.url ?? '/', 'http://localhost').pathname)
      if (dirname(file) !== wasm || !existsSync(file)) return next()
      const type = extname(file) === '.js' ? 'text/javascript' : 'application/wasm'
      response.writeHead(200, { 'content-type': type, 'cross-origin-embedder-policy': 'require-corp' })
      createReadStream(file).pipe(response)
    }),
  generateBundle() {
    for (const name of names) {
      this.emitFile({ type: 'asset', fileName: litertPath.slice(1) + name, source: readFileSync(join(wasm, name)) })
    }
  },
})
