import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { compiled } from '../scripts/build-wasm.mjs'
import { shared, unshared } from '../src/training/kernels.wasm.js'

/** The ids of a module's sections (WebAssembly core specification, 5.5.2). */
const sections = (bytes: Uint8Array): number[] => {
  const ids: number[] = []
  for (let at = 8; at < bytes.length; ) {
    ids.push(bytes[at++]!)
    let size = 0
    let shift = 0
    let byte: number
    do {
      byte = bytes[at++]!
      size |= (byte & 127) << shift
      shift += 7
    } while (byte & 128)
    at += size
  }
  return ids
}

test('compiling wasm/*.ts again gives the committed bytes', async () => {
  expect(await readFile(new URL('../src/training/kernels.wasm.ts', import.meta.url), 'utf8')).toBe(await compiled())
})

test.each([
  ['unshared', unshared],
  ['shared', shared],
])('the %s module brings nothing into the memory it is given', async (_, base64) => {
  const bytes = Buffer.from(base64, 'base64')
  const module = await WebAssembly.compile(bytes)
  expect(WebAssembly.Module.imports(module)).toEqual([{ module: 'env', name: 'memory', kind: 'memory' }])
  const [start, data] = [8, 11]
  expect(sections(bytes)).not.toContain(start)
  expect(sections(bytes)).not.toContain(data)
})
