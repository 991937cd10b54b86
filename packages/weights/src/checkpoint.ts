import { corrupt, truncated, unsupported } from './errors.js'
import { HDF5_MAGIC } from './hdf5/file.js'
import { KERAS_WEIGHTS, readKerasArchive } from './keras/archive.js'
import { readKerasH5 } from './keras/h5.js'
import { NPY_MAGIC, readNpy } from './npy.js'
import { builtinGlobals } from './pickle/builtins.js'
import { ByteCursor } from './pickle/cursor.js'
import { runPickle } from './pickle/machine.js'
import { numpyGlobals } from './pickle/numpy.js'
import { Budget, type GlobalSpec, PyInstance } from './pickle/values.js'
import { readSafetensors } from './safetensors/read.js'
import { type ByteSource, bytesSource } from './source.js'
import { PersistentObject, persistentGlobals } from './stylegan/persistent.js'
import { isTensorflow, tensorflowGlobals, walkTensorflow } from './stylegan/tensorflow.js'
import type { TensorMap } from './tensor.js'
import { readTfjsModel, type ShardOpener } from './tfjs/model.js'
import { torchGlobals } from './torch/globals.js'
import { LEGACY_MAGIC, readLegacyStream } from './torch/legacy.js'
import { readTorchZip } from './torch/zip.js'
import { type Contents, type ModuleInfo, type PlainRecord, walkTorch } from './walk.js'
import { readZipDirectory } from './zip/directory.js'

/**
 * How a checkpoint is laid out. `stylegan-pickle` is what StyleGAN2-ADA and StyleGAN3 write from PyTorch,
 * `tensorflow-pickle` what the StyleGANs before them wrote; `keras-h5` is Keras's `.h5`, `keras-zip` its `.keras`, `tfjs` a
 * model.json with its shards.
 */
export type CheckpointLayout =
  | 'safetensors'
  | 'torch-zip'
  | 'torch-legacy'
  | 'stylegan-pickle'
  | 'tensorflow-pickle'
  | 'npy'
  | 'keras-h5'
  | 'keras-zip'
  | 'tfjs'

/** An open checkpoint: descriptions of tensors, whose elements are read when asked for. */
export interface Checkpoint {
  readonly layout: CheckpointLayout
  /**
   * Names as in a state dict, joined with `.`; TensorFlow's are joined with `/`, as are Keras's: `<layer>/<weight>`, in
   * `.keras` files `<layer>/<number>`. The one array of an npy is `array`.
   */
  readonly tensors: TensorMap
  /** Plain data beside the tensors: safetensors' `__metadata__`, a training's arguments. */
  readonly metadata: PlainRecord
  /** The modules of a StyleGAN pickle by path (`G_ema`, `G_ema.synthesis.b4.conv1`, `Gs/synthesis`); else empty. */
  readonly modules: ReadonlyMap<string, ModuleInfo>
  /** Closes the source. */
  close(): Promise<void>
}

export interface OpenOptions {
  /**
   * Check a torch zip's storages against their CRC-32 on loading, and a `.keras` on opening (default true). False reads
   * files that torch wrote under `set_crc32_options(False)`.
   */
  readonly checksums?: boolean
  /**
   * Gives the files that a tfjs model.json names. `@fx/weights/node` finds those that lie beside it, so that only a
   * model.json from memory needs this.
   */
  readonly shards?: ShardOpener
}

const torch: ReadonlyMap<string, GlobalSpec> = new Map([...builtinGlobals, ...numpyGlobals, ...torchGlobals])
const stylegan: ReadonlyMap<string, GlobalSpec> = new Map([...torch, ...persistentGlobals(torch), ...tensorflowGlobals])

/**
 * Opens a checkpoint of any known layout, told by its first bytes, not by its name. Python in the file is never run:
 * pickles may name only what is on a list.
 *
 * @throws FxError `corrupt-file` when the file is not sound (`details.truncated` when it ends too early), `unsupported`
 * for another layout, or a pickle that names anything not on the list (`details.global`).
 */
export const openCheckpoint = async (
  source: ByteSource | Uint8Array,
  options: OpenOptions = {},
): Promise<Checkpoint> => {
  const opened = source instanceof Uint8Array ? bytesSource(source) : source
  const [layout, { close, ...contents }] = await readContents(opened, options)
  return {
    layout,
    ...contents,
    close: async () => {
      await close?.()
      await opened.close?.()
    },
  }
}

const startsWith = (bytes: Uint8Array, start: Uint8Array | string): boolean => {
  const expected = typeof start === 'string' ? Uint8Array.from(start, letter => letter.charCodeAt(0)) : start
  return bytes.length >= expected.length && expected.every((byte, index) => bytes[index] === byte)
}

type Opened = [CheckpointLayout, Contents & { close?(): Promise<void> }]

const readContents = async (source: ByteSource, options: OpenOptions): Promise<Opened> => {
  const head = await source.read(0, Math.min(source.size, 64))
  if (head.length < 16) throw truncated(source, `it has ${source.size} bytes, fewer than any checkpoint`)
  const budget = new Budget()
  const checksums = options.checksums ?? true
  if (startsWith(head, 'PK\x03\x04')) {
    const entries = await readZipDirectory(source)
    if (entries.has(KERAS_WEIGHTS)) return ['keras-zip', await readKerasArchive(source, entries, checksums)]
    const root = await readTorchZip(source, entries, torch, budget, checksums)
    return ['torch-zip', walkTorch(source, root)]
  }
  if (startsWith(head, LEGACY_MAGIC)) {
    const root = await readLegacyStream({ source, globals: torch, budget })
    return ['torch-legacy', walkTorch(source, root)]
  }
  if (startsWith(head, NPY_MAGIC)) return ['npy', await readNpy(source)]
  if (startsWith(head, HDF5_MAGIC)) return ['keras-h5', await readKerasH5(source)]
  // The length with which a safetensors file begins has zeros among its eight bytes, text has none.
  if (head[0] === 0x7b && !head.subarray(0, 8).includes(0)) return ['tfjs', await readTfjsModel(source, options.shards)]
  // A header of 384 bytes begins like a pickle of protocol 1; below 4 GiB its length ends in four zeros.
  const header = head[8] === 0x7b
  const plausible = header && head.subarray(4, 8).every(byte => byte === 0)
  if (!plausible && head[0] === 0x80 && head[1]! <= 5) return readPickle(source, budget)
  if (header) return ['safetensors', await readSafetensors(source)]
  throw notACheckpoint(source, head)
}

const readPickle = async (source: ByteSource, budget: Budget): Promise<Opened> => {
  const root = await runPickle(new ByteCursor(source), { globals: stylegan }, budget)
  if (isTensorflow(root)) return ['tensorflow-pickle', walkTensorflow(source, root)]
  if (root instanceof Map || root instanceof PersistentObject || root instanceof PyInstance)
    return ['stylegan-pickle', walkTorch(source, root)]
  throw unsupported(source, 'its pickle holds neither modules nor networks')
}

const layouts =
  'safetensors, torch.save (.pt, .pth), Keras (.h5, .keras), tfjs (model.json), StyleGAN pickles (.pkl) and .npy are read'

/** Says what a file is instead, where that is easy to tell: downloads often fail with a page of text. */
const notACheckpoint = (source: ByteSource, head: Uint8Array): Error => {
  const text = String.fromCharCode(...head)
    .trimStart()
    .toLowerCase()
  if (text.startsWith('<!doctype') || text.startsWith('<html') || text.startsWith('<?xml'))
    return corrupt(source, `it is a web page, not a checkpoint: ${layouts}`)
  if (text.startsWith('version https://git-lfs'))
    return corrupt(source, 'it is a Git LFS pointer; fetch the file itself with git lfs pull')
  if (startsWith(head, '\x1f\x8b')) return unsupported(source, `it is compressed with gzip; unpack it first`)
  return unsupported(source, `its first bytes are those of no known layout; ${layouts}`)
}
