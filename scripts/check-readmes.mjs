// Typechecks the first TypeScript snippet of every README, so that what a newcomer copies compiles.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = `${root}out/readmes`
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })

const packages = readdirSync(`${root}packages`).filter(name => existsSync(`${root}packages/${name}/package.json`))
const readmes = ['.', ...packages.map(name => `packages/${name}`)]
const missing = []
for (const place of readmes) {
  const snippet = /```ts\n([\s\S]*?)```/.exec(readFileSync(`${root}${place}/README.md`, 'utf8'))?.[1]
  if (snippet)
    writeFileSync(`${folder}/${place === '.' ? 'root' : place.slice('packages/'.length)}.ts`, `${snippet}\nexport {}\n`)
  else missing.push(`${place}/README.md has no TypeScript snippet`)
}
writeFileSync(
  `${folder}/tsconfig.json`,
  JSON.stringify({
    extends: '../../tsconfig.base.json',
    include: ['*.ts'],
    compilerOptions: { noUnusedLocals: false },
  }),
)
const { status } = spawnSync('npx', ['tsc', '-p', folder], { cwd: root, stdio: 'inherit' })
for (const line of missing) console.error(line)
process.exitCode = status === 0 && missing.length === 0 ? 0 : 1
