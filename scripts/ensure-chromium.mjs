// Finds a system Chromium for the browser tests, installs it where it may, or says in one line what to install.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const found = () =>
  [process.env.CHROMIUM_PATH, '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome']
    .filter(path => path && existsSync(path))
    .concat(names.filter(name => spawnSync('which', [name]).status === 0))[0]

if (!found() && process.getuid?.() === 0 && spawnSync('which', ['apt-get']).status === 0) {
  console.error('No Chromium found: installing the chromium package (browser tests need it).')
  const options = { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }
  try {
    execFileSync('apt-get', ['update', '-qq'], options)
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], options)
  } catch {
    // The line below says what to do.
  }
}
if (!found()) {
  console.error(
    'Browser tests need Chromium: run `apt-get install chromium`, or set CHROMIUM_PATH to a Chrome or Chromium.',
  )
  process.exit(1)
}
