import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type EffectSpec, FxError, hashJson, seededRandom } from '@fx/core'
import type { RgbImage, TeacherAdapter } from '../contract/types.js'
import { decodePng } from '../image/png.js'
import { openShards } from '../shards/read.js'
import type { ImageSource } from './image-source.js'

const wrongSize = (what: string, width: number, height: number, resolution: number): FxError =>
  new FxError('shape-mismatch', `${what} is ${width} x ${height}; the training needs ${resolution} x ${resolution}`, {
    details: { width, height, resolution },
  })

/** Width and height of a PNG from its first 24 bytes; undefined when it is none. */
const pngSize = async (path: string): Promise<[width: number, height: number] | undefined> => {
  const file = await open(path)
  try {
    const head = Buffer.alloc(24)
    const { bytesRead } = await file.read(head, 0, 24, 0)
    if (bytesRead < 24 || head.readUInt32BE(0) !== 0x89504e47) return undefined
    return [head.readUInt32BE(16), head.readUInt32BE(20)]
  } finally {
    await file.close()
  }
}

/**
 * The PNGs of a folder, in the order of their names. The text of a `face.txt` beside `face.png` is its caption.
 *
 * @throws FxError `not-found` for a folder without PNGs; when the training starts `shape-mismatch` naming the first image
 *   that is not of its size, `corrupt-file` the first that is not a PNG.
 */
export const imageFolder = async (path: string): Promise<ImageSource> => {
  const all = await readdir(path).catch(cause => {
    throw new FxError('not-found', `Cannot read the folder ${path}: ${(cause as Error).message}`, { cause })
  })
  const names = all.filter(name => name.toLowerCase().endsWith('.png')).sort()
  if (names.length === 0) throw new FxError('not-found', `There is no PNG in ${path}`, { details: { path } })
  const others = new Set(all)
  const sizes: number[] = []
  const captions: (string | undefined)[] = []
  for (const name of names) {
    sizes.push((await stat(join(path, name))).size)
    const text = name.replace(/png$/i, 'txt')
    captions.push(others.has(text) ? (await readFile(join(path, text), 'utf8')).trim() : undefined)
  }
  const captioned = captions.some(caption => caption !== undefined)
  return {
    id: `folder ${hashJson({ names, sizes, ...(captioned && { captions: captions.map(caption => caption ?? null) }) }).slice(0, 16)}`,
    count: names.length,
    load: (indices, resolution) =>
      Promise.all(
        indices.map(async index => {
          const file = join(path, names[index]!)
          const image = decodePng(await readFile(file), { name: file })
          if (image.width !== resolution || image.height !== resolution) {
            throw wrongSize(file, image.width, image.height, resolution)
          }
          const caption = captions[index]
          return caption === undefined ? image : { ...image, caption }
        }),
      ),
    async check(resolution) {
      for (const name of names) {
        const file = join(path, name)
        const size = await pngSize(file)
        if (!size) throw new FxError('corrupt-file', `${file} is not a PNG`, { details: { path: file } })
        if (size[0] !== resolution || size[1] !== resolution) throw wrongSize(file, ...size, resolution)
      }
    },
  }
}

export interface ShardImagesOptions {
  /** Which pictures of the pairs. Default `'inputs'`. */
  use?: 'inputs' | 'targets' | 'both'
}

/**
 * Pictures out of a folder of shards that `writeShards` made.
 *
 * @throws FxError those of `openShards`; when the training starts `shape-mismatch` for shards of another size.
 */
export const shardImages = async (path: string, { use = 'inputs' }: ShardImagesOptions = {}): Promise<ImageSource> => {
  const { manifest, pairCount, pair } = await openShards(path)
  const perPair = use === 'both' ? 2 : 1
  return {
    id: `shards ${hashJson(manifest).slice(0, 16)} ${use}`,
    count: pairCount * perPair,
    load: indices =>
      Promise.all(
        indices.map(async (index): Promise<RgbImage> => {
          const { input, target } = await pair(Math.floor(index / perPair))
          return use === 'targets' || index % perPair === 1 ? target : input
        }),
      ),
    async check(resolution) {
      if (manifest.size !== resolution)
        throw wrongSize(`Each image of ${path}`, manifest.size, manifest.size, resolution)
    },
  }
}

export interface TeacherImagesOptions {
  /** The effect whose input is shown where no target is. */
  input: EffectSpec
  /** Effects whose targets are shown, each with its chance; strengths and the like are drawn from their ranges. */
  targets?: readonly { effect: EffectSpec; chance: number }[]
}

/**
 * Pictures that another teacher makes, image `n` from its seed `n`: a generator learns from them what they vary in.
 *
 * @throws FxError `invalid-argument` for chances below zero or above one in sum.
 */
export const teacherImages = (adapter: TeacherAdapter, { input, targets = [] }: TeacherImagesOptions): ImageSource => {
  const total = targets.reduce((sum, { chance }) => sum + chance, 0)
  if (targets.some(({ chance }) => !(chance >= 0)) || total > 1 + 1e-9) {
    throw new FxError(
      'invalid-argument',
      `teacherImages: chances must be 0 or more and 1 at most in sum, got ${targets.map(({ chance }) => chance).join(', ')}`,
    )
  }
  const image = async (index: number, size: number): Promise<RgbImage> => {
    let left = seededRandom(index, 'kind').uniform()
    const chosen = targets.find(({ chance }) => {
      left -= chance
      return left < 0
    })
    const effect = chosen?.effect ?? input
    for await (const pair of adapter.pairs({ effect, size, seeds: [index], parameters: 'sampled' })) {
      return chosen ? pair.target : pair.input
    }
    throw new FxError('not-found', `The teacher '${adapter.id}' gave no pair for the seed ${index}`)
  }
  return {
    id: `teacher ${adapter.id} ${adapter.version} ${hashJson({ input, targets }).slice(0, 16)}`,
    count: adapter.capabilities.pairCount,
    load: (indices, resolution) => Promise.all(indices.map(index => image(index, resolution))),
  }
}
