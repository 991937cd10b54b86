import { existsSync, readFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { sha256Hex } from '@fx/core'
import type { Plugin } from 'vite'
import type { EffectEntry } from '../src/choices.js'

interface Listed extends Omit<EffectEntry, 'url' | 'picture'> {
  picture: string
}

/**
 * Writes the list of public/effects into the page, which so need not ask for it. In a build each bundle's folder is named
 * by what it holds, as the other assets are: a page never meets files of another build.
 */
export const effects = (root: string): Plugin => {
  const folder = join(root, 'public/effects')
  const listed: Listed[] = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8'))
  let out: string | undefined
  // The manifest holds the sums of all other files.
  const sum = (id: string): string => sha256Hex(readFileSync(join(folder, id, 'effect.json'))).slice(0, 8)
  const nameOf = (id: string): string => (out === undefined ? id : `${id}-${sum(id)}`)
  return {
    name: 'effects',
    configResolved: ({ command, build }) => {
      out = command === 'build' ? resolve(root, build.outDir) : undefined
    },
    transformIndexHtml: () => {
      const entries = listed.map(({ picture, ...entry }): EffectEntry => {
        const url = `/effects/${nameOf(entry.id)}/`
        return { ...entry, url, picture: url + picture }
      })
      const children = JSON.stringify(entries).replaceAll('<', '\\u003c')
      return [{ tag: 'script', attrs: { type: 'application/json', id: 'effects-list' }, children, injectTo: 'head' }]
    },
    closeBundle: async () => {
      if (out === undefined || !existsSync(join(out, 'effects/index.json'))) return
      await rm(join(out, 'effects/index.json'))
      for (const { id } of listed) await rename(join(out, 'effects', id), join(out, 'effects', nameOf(id)))
    },
  }
}
