import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import type { Plugin } from 'vite'
import { litertPath } from './litert.js'

const script = 'service-worker.js'

/**
 * Tells the service worker which files the build consists of: those that it fetches at once, so that every effect works
 * without a network, and the large ones (LiteRT.js, students for it, engines without a worker) that it keeps when they were asked for.
 */
export const offline = (root: string): Plugin => {
  let out: string | undefined
  /** Engines for the page's own thread, which this page leaves to workers. */
  const unused = new Set<string>()
  return {
    name: 'offline',
    config: () => ({
      build: {
        rollupOptions: {
          input: { index: join(root, 'index.html'), 'service-worker': join(root, 'src/service-worker.ts') },
          // Its address must stay, since a browser looks there for the next version.
          output: {
            entryFileNames: ({ name }) => (name === 'service-worker' ? script : 'assets/[name]-[hash].js'),
          },
        },
      },
    }),
    configResolved: ({ command, build }) => {
      out = command === 'build' ? resolve(root, build.outDir) : undefined
    },
    generateBundle: (_, bundle) => {
      for (const part of Object.values(bundle)) {
        const computes =
          part.type === 'chunk' && part.moduleIds.some(id => /node_modules\/@(tensorflow|litertjs)\/.*\.js$/.test(id))
        if (computes) unused.add(`/${part.fileName}`)
      }
    },
    closeBundle: {
      // After the effects have got their names.
      order: 'post',
      sequential: true,
      handler: async () => {
        if (out === undefined) return
        const folder = out
        const entries = await readdir(folder, { recursive: true, withFileTypes: true })
        const files = entries
          .filter(entry => entry.isFile())
          .map(({ parentPath, name }) => `/${relative(folder, join(parentPath, name)).split(sep).join('/')}`)
          .filter(path => path !== '/index.html' && path !== `/${script}`)
          .sort()
        const large = (path: string): boolean =>
          path.startsWith(litertPath) || path.endsWith('.tflite') || unused.has(path)
        const lists = { now: files.filter(path => !large(path)), later: files.filter(large) }
        const source = await readFile(join(folder, script), 'utf8')
        await writeFile(join(folder, script), source.replace('__FILES__', JSON.stringify(lists)))
      },
    },
  }
}
