// Compiles wasm/*.ts (AssemblyScript) and writes the bytes as base64 into src/training/kernels.wasm.ts.
// `--check` compares instead of writing, and exits 1 when they differ.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const here = new URL('../', import.meta.url)
const target = new URL('src/training/kernels.wasm.ts', here)

// Both variants import tfjs's memory. A shared memory (tfjs's threaded build) must be declared with its exact maximum.
const variants = {
  unshared: [],
  shared: ['--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536', '--enable', 'threads'],
}

const compile = async flags => {
  let bytes
  const { error, stderr } = await asc.main(
    [
      'wasm/index.ts',
      '-o',
      'kernels.wasm',
      '--runtime',
      'stub',
      '--importMemory',
      '--enable',
      'simd',
      '--noAssert',
      '-O3',
      ...flags,
    ],
    {
      readFile: name => {
        try {
          return readFileSync(new URL(name, here), 'utf8')
        } catch {
          return null
        }
      },
      writeFile: (_, contents) => {
        bytes = contents
      },
    },
  )
  if (error) throw new Error(`${error.message}\n${stderr}`)
  return Buffer.from(bytes).toString('base64')
}

export const compiled = async () => {
  const lines = ['// Compiled from wasm/*.ts by `npm run build:wasm`. Do not edit.']
  for (const [name, flags] of Object.entries(variants))
    lines.push(`export const ${name} =\n  '${await compile(flags)}'`)
  return `${lines.join('\n')}\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const source = await compiled()
  if (process.argv.includes('--check')) {
    if (readFileSync(target, 'utf8') !== source) {
      console.error('src/training/kernels.wasm.ts is stale: run npm run build:wasm -w @fx/backend')
      process.exitCode = 1
    }
  } else {
    writeFileSync(target, source)
  }
}
