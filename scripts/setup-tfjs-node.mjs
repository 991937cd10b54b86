// Provides @tensorflow/tfjs-node in this repository's node_modules, where its own installer cannot (it downloads
// libtensorflow 2.9 and a prebuilt addon from Google's storage): the addon is compiled against the TensorFlow library
// inside the PyPI wheel `tensorflow-cpu`. package.json and the lockfile stay as they are.
//
//   npm run setup:tfjs-node
//   FX_TENSORFLOW_WHEEL=path/to/tensorflow_cpu-2.21.0-....whl npm run setup:tfjs-node     without pip
//
// The library (850 MB) and the addon are kept in the user's cache folder, so that the next run, after an `npm ci` for
// instance, takes seconds. Everything is made in a temporary folder first: a failure leaves nothing half-installed.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const TFJS_NODE = '4.22.0'
const TENSORFLOW = '2.21.0'
/** Every Node from 20 on has this version of N-API, and an addon built for it loads in all of them. */
const NAPI = 8

const root = fileURLToPath(new URL('..', import.meta.url))
const target = join(root, 'node_modules', '@tensorflow', 'tfjs-node')
const givenWheel = process.env.FX_TENSORFLOW_WHEEL && resolve(process.env.FX_TENSORFLOW_WHEEL)
const compiler = process.env.CXX || 'g++'
const cache = join(
  process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
  'fx',
  `tfjs-node-${TFJS_NODE}-${givenWheel ? basename(givenWheel, '.whl') : `tensorflow-cpu-${TENSORFLOW}`}`,
)

class SetupError extends Error {}

/** Runs a program; its output is shown only when it fails. */
const run = (what, program, args, options = {}) => {
  const result = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options })
  if (result.error || result.status !== 0) {
    const output = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim().split('\n').slice(-20).join('\n')
    throw new SetupError(`${what} failed${result.error ? ` (${result.error.message})` : ''}.${output && `\n${output}`}`)
  }
  return result.stdout
}

const works = (program, args) => spawnSync(program, args, { stdio: 'ignore' }).status === 0

const checkPrerequisites = () => {
  const missing = []
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    missing.push(
      `this script is for Linux on x64, and this is ${process.platform} on ${process.arch}: try npm i --no-save @tensorflow/tfjs-node`,
    )
  }
  if (!works(compiler, ['--version'])) missing.push(`no C++ compiler '${compiler}': install g++, or set CXX`)
  if (!works('python3', ['--version'])) missing.push('no python3: install it')
  else if (givenWheel && !existsSync(givenWheel)) missing.push(`FX_TENSORFLOW_WHEEL: there is no file ${givenWheel}`)
  else if (!givenWheel && !works('python3', ['-m', 'pip', '--version'])) {
    missing.push('no pip for python3: install it, or set FX_TENSORFLOW_WHEEL to a tensorflow-cpu wheel')
  }
  if (!existsSync(join(root, 'node_modules', '@tensorflow', 'tfjs-core'))) {
    missing.push('the repository is not installed yet: run npm ci first')
  }
  if (missing.length) throw new SetupError(missing.join('\n'))
}

const fetchWheel = folder => {
  if (givenWheel) return givenWheel
  // The library inside does not depend on Python, so any supported Python version's wheel will do.
  const select = ['--no-deps', '--only-binary=:all:', '--python-version', '3.11', '--dest', folder]
  run('Downloading the wheel', 'python3', ['-m', 'pip', 'download', ...select, `tensorflow-cpu==${TENSORFLOW}`])
  return join(
    folder,
    readdirSync(folder).find(name => name.endsWith('.whl')),
  )
}

/** The two libraries into `folder`/deps/lib and the headers that the addon includes into `folder`/include. */
const unpackWheel = (wheel, folder) => {
  const script = `
import os, shutil, sys, zipfile
wheel, folder = sys.argv[1:]
headers = ('tensorflow/c/', 'tensorflow/core/platform/', 'tsl/platform/', 'xla/tsl/')
found = 0
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        base = os.path.basename(name)
        if name.startswith('tensorflow/libtensorflow_') and '.so' in base:
            target = os.path.join(folder, 'deps', 'lib', base)
            found += 1
        elif name.endswith('.h') and name.startswith(tuple('tensorflow/include/' + header for header in headers)):
            target = os.path.join(folder, 'include', name[len('tensorflow/include/'):])
        else:
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with archive.open(name) as source, open(target, 'wb') as output:
            shutil.copyfileobj(source, output, 1 << 20)
if found < 2:
    sys.exit('This wheel holds no TensorFlow library; give one of tensorflow-cpu for Linux.')
`
  run('Unpacking the wheel', 'python3', ['-c', script, wheel, folder])
}

const unpackNpm = (spec, folder) => {
  mkdirSync(folder, { recursive: true })
  const [{ filename }] = JSON.parse(
    run(`Downloading ${spec}`, 'npm', ['pack', spec, '--json', '--silent'], { cwd: folder }),
  )
  run(`Unpacking ${spec}`, 'tar', ['xzf', filename, '--strip-components=1'], { cwd: folder })
}

const compile = folder => {
  const sources = join(folder, 'tfjs-node', 'binding')
  const args = ['-shared', '-fPIC', '-O2', '-std=c++17', '-w', `-DNAPI_VERSION=${NAPI}`]
  args.push('-DNODE_GYP_MODULE_NAME=tfjs_binding', `-I${join(folder, 'include')}`)
  // N-API is stable across Node versions, so its published headers serve whatever Node runs.
  args.push(`-I${join(folder, 'node-api-headers', 'include')}`, `-I${folder}`)
  args.push(join(sources, 'tfjs_backend.cc'), join(sources, 'tfjs_binding.cc'))
  args.push('-o', join(folder, 'tfjs_binding.node'), `-L${join(folder, 'deps', 'lib')}`)
  args.push('-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2', '-Wl,-rpath,$ORIGIN/../../deps/lib')
  run('Compiling the addon', compiler, args)
}

/** Fills the cache folder, in one move. */
const build = () => {
  const folder = `${cache}.partial-${process.pid}`
  try {
    mkdirSync(folder, { recursive: true })
    console.log(givenWheel ? `Using ${givenWheel}` : `Downloading TensorFlow ${TENSORFLOW} (pip, 250 MB)`)
    const wheel = fetchWheel(folder)
    console.log('Unpacking its library')
    unpackWheel(wheel, folder)
    console.log('Compiling the addon')
    unpackNpm(`@tensorflow/tfjs-node@${TFJS_NODE}`, join(folder, 'tfjs-node'))
    unpackNpm('node-api-headers@1', join(folder, 'node-api-headers'))
    compile(folder)
    for (const name of readdirSync(folder)) {
      if (name !== 'deps' && name !== 'tfjs_binding.node') rmSync(join(folder, name), { recursive: true })
    }
    rmSync(cache, { recursive: true, force: true })
    renameSync(folder, cache)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const addon = join(target, 'lib', `napi-v${NAPI}`, 'tfjs_binding.node')

const link = () => {
  const args = [
    'install',
    '--no-save',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    `@tensorflow/tfjs-node@${TFJS_NODE}`,
  ]
  run('npm install', 'npm', args, { cwd: root })
  rmSync(join(target, 'deps'), { recursive: true, force: true })
  symlinkSync(join(cache, 'deps'), join(target, 'deps'))
  mkdirSync(join(addon, '..'), { recursive: true })
  copyFileSync(join(cache, 'tfjs_binding.node'), addon)
}

/** One training step of a small network through @fx/backend, with the gradient checked. Returns a line to print. */
const verify = () => {
  const program = `
import { prepareBackend } from '@fx/backend'
import * as tf from '@tensorflow/tfjs-core'
const { reason } = await prepareBackend({ backend: 'tfjs-node' })
const x = tf.ones([1, 4, 4, 1]), w = tf.ones([3, 3, 1, 1])
const [dx] = tf.grads((x, w) => tf.conv2d(x, w, 1, 'same'))([x, w])
if (dx.dataSync().join() !== '4,6,6,4,6,9,9,6,6,9,9,6,4,6,6,4') throw new Error('a wrong gradient')
console.log(reason)
`
  const args = ['--conditions=@fx/source', '--import', 'tsx', '--input-type=module', '-e', program]
  return run('The check of tfjs-node', process.execPath, args, { cwd: join(root, 'packages', 'backend') }).trim()
}

const setup = () => {
  if (existsSync(addon) && existsSync(join(target, 'deps', 'lib'))) {
    try {
      return console.log(`Already set up. ${verify()}`)
    } catch {
      console.log('The installed tfjs-node does not work; setting it up again')
    }
  }
  checkPrerequisites()
  if (existsSync(join(cache, 'tfjs_binding.node'))) console.log(`Using the build in ${cache}`)
  else build()
  console.log('Installing')
  try {
    link()
    console.log(verify())
  } catch (error) {
    rmSync(target, { recursive: true, force: true })
    throw error
  }
}

try {
  setup()
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  for (const line of error.message.split('\n')) console.error(`setup:tfjs-node: ${line}`)
  process.exitCode = 1
}
