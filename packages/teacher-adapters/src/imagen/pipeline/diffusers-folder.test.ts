import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { openCheckpoint } from '@fx/weights'
import { writeSafetensors } from '@fx/weights/node'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { temporaryFolder } from '../../../test/folder.js'
import { readArrays } from '../../../test/imagen.js'
import { tinyEnlarger } from '../../../test/tiny-cascade.js'
import { encodeImagenStage, type ImagenStageWeights, readDiffusersStage, readImagenStage } from '../../imagen.js'

const at = temporaryFolder()
const fixture = (name: string): string => fileURLToPath(new URL(`../../../fixtures/diffusion/${name}`, import.meta.url))

const scheduler = {
  _class_name: 'DDPMScheduler',
  beta_schedule: 'squaredcos_cap_v2',
  variance_type: 'learned_range',
  thresholding: true,
  dynamic_thresholding_ratio: 0.95,
  sample_max_value: 1.5,
}
const plain = 'diffusion_pytorch_model.safetensors'
const index = `${plain}.index.json`

const writeJson = (path: string, value: unknown) => writeFile(path, JSON.stringify(value))

/** The golden first stage, as diffusers would keep it. */
beforeEach(async () => {
  await mkdir(at('unet'))
  await mkdir(at('scheduler'))
  await copyFile(fixture('stage1.unet_config.json'), at('unet', 'config.json'))
  await copyFile(fixture('stage1.unet.safetensors'), at('unet', plain))
  await writeJson(at('scheduler', 'scheduler_config.json'), scheduler)
})

/** Cuts the weights into two shards with an index that names them as `rename` says. */
const shard = async (rename: (file: string) => string = file => file) => {
  const arrays = [...(await readArrays('stage1.unet'))]
  const files = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']
  const middle = Math.floor(arrays.length / 2)
  await writeSafetensors(at('unet', files[0]!), arrays.slice(0, middle))
  await writeSafetensors(at('unet', files[1]!), arrays.slice(middle))
  await rm(at('unet', plain))
  const weight_map = Object.fromEntries(arrays.map(([name], i) => [name, rename(files[i < middle ? 0 : 1]!)]))
  await writeJson(at('unet', index), { metadata: { total_size: 1 }, weight_map })
}

const expectFirstStage = async (stage: ImagenStageWeights) => {
  expect(stage.unet.sampleSize).toBe(16)
  expect(stage.scheduler).toMatchObject({ varianceType: 'learned_range', sampleMaxValue: 1.5 })
  expect(stage.stage).toEqual({ resolution: 16, text: '' })
  const arrays = await readArrays('stage1.unet')
  expect(new Set(stage.weights.keys())).toEqual(new Set(arrays.keys()))
  expect(stage.weights.get('conv_in.weight')).toEqual(arrays.get('conv_in.weight'))
}

test('whole, in half precision by name, or in shards; by path or address; with or without a last slash', async () => {
  await expectFirstStage(await readDiffusersStage(at()))
  await expectFirstStage(await readDiffusersStage(`${at()}/`))
  await expectFirstStage(await readDiffusersStage(pathToFileURL(at())))
  const half = 'diffusion_pytorch_model.fp16.safetensors'
  await copyFile(at('unet', plain), at('unet', half))
  await expectFirstStage(await readDiffusersStage(at(), { variant: 'fp16' }))
  await rm(at('unet', plain))
  await expectFirstStage(await readDiffusersStage(at()))
  await copyFile(at('unet', half), at('unet', plain))
  await shard()
  await expectFirstStage(await readDiffusersStage(at()))
})

test('super-resolution says how its low-resolution images are noised; infinite bounds are read', async () => {
  await mkdir(at('image_noising_scheduler'))
  const noising = '{"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity}'
  await writeFile(at('image_noising_scheduler', 'scheduler_config.json'), noising)
  const { lowResolutionScheduler } = await readDiffusersStage(at(), { text: 't5' })
  expect(lowResolutionScheduler).toMatchObject({ betaSchedule: 'linear', lambdaMinClipped: null })
})

test('the file of a stage keeps that, too', async () => {
  const stage = { ...tinyEnlarger(), lowResolutionScheduler: { betaSchedule: 'linear' } } as const
  const read = await readImagenStage(await openCheckpoint(encodeImagenStage(stage)))
  expect(read.lowResolutionScheduler).toMatchObject({ betaSchedule: 'linear' })
  const usual = await readImagenStage(await openCheckpoint(encodeImagenStage(tinyEnlarger())))
  expect(usual.lowResolutionScheduler).toBeUndefined()
})

describe('refused', () => {
  const refusal = (code: string, message: RegExp) => ({ code, message: expect.stringMatching(message) })

  test.each([
    ['unet/config.json', /unet\/config\.json/],
    ['scheduler/scheduler_config.json', /scheduler_config\.json/],
    [`unet/${plain}`, /no weights; looked for 'diffusion_pytorch_model\.safetensors'.*fp16/],
  ])('a folder without %s', async (name, message) => {
    await rm(at(name))
    await expect(readDiffusersStage(at())).rejects.toMatchObject(refusal('not-found', message))
  })

  test.each([
    ['../scheduler/x.safetensors'],
    ['/etc/x.safetensors'],
    ['..\\x.safetensors'],
    ['http://somewhere/x.safetensors'],
    ['.hidden.safetensors'],
    ['model.bin'],
    [''],
  ])('an index that leads to %j', async file => {
    await shard(() => file)
    await expect(readDiffusersStage(at())).rejects.toMatchObject(refusal('corrupt-file', /no file beside it/))
  })

  test('a shard that is missing, by name', async () => {
    await shard()
    await rm(at('unet', 'model-00002-of-00002.safetensors'))
    await expect(readDiffusersStage(at())).rejects.toMatchObject(
      refusal('not-found', /model-00002-of-00002\.safetensors.*no such file/),
    )
  })

  test('a shard that lacks what the index promises', async () => {
    await shard(file => file.replace('00001', '00002'))
    await expect(readDiffusersStage(at())).rejects.toMatchObject(refusal('corrupt-file', /00002.*lacks/))
  })

  test.each([
    ['unet/config.json', '{', 'corrupt-file', /no JSON/],
    [`unet/${index}`, '[]', 'corrupt-file', /no weight_map/],
    [`unet/${index}`, '{"weight_map":{"a":3}}', 'corrupt-file', /no weight_map/],
    ['unet/config.json', '{"_class_name":"UNet2DModel"}', 'unsupported', /not the UNet/],
    ['scheduler/scheduler_config.json', '{"prediction_type":3}', 'corrupt-file', /prediction_type/],
  ] as const)('%s that holds %s', async (name, text, code, message) => {
    await writeFile(at(name), text)
    await expect(readDiffusersStage(at())).rejects.toMatchObject(refusal(code, message))
  })

  test('weights of another network', async () => {
    await copyFile(fixture('stage2_sr.unet.safetensors'), at('unet', plain))
    await expect(readDiffusersStage(at())).rejects.toMatchObject(refusal('not-found', /the UNet's weights lack/))
  })
})

describe('over the web', () => {
  // Downloads are kept; not those of a test.
  beforeEach(() => {
    vi.stubEnv('XDG_CACHE_HOME', at('cache'))
  })
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  const serve = async <T>(
    answer: (path: string) => Promise<[number, Uint8Array | string]>,
    use: (url: string) => T,
  ) => {
    const server = createServer(async (request, response) => {
      const [status, body] = await answer(request.url ?? '')
      response.writeHead(status).end(body)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    try {
      return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/stage`)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }
  const file = async (path: string): Promise<[number, Uint8Array | string]> => {
    try {
      return [200, await readFile(at(path.replace('/stage/', '')))]
    } catch {
      return [404, 'not here']
    }
  }

  test('a stage is read from its address', async () => {
    await serve(file, async url => expectFirstStage(await readDiffusersStage(new URL(url))))
  })

  test('a server that fails, or is not there, is told', async () => {
    const failing = serve(async () => [500, 'sorry'], readDiffusersStage)
    await expect(failing).rejects.toMatchObject({ code: 'service-failed', message: expect.stringMatching(/500/) })
    await expect(readDiffusersStage('http://127.0.0.1:9/stage')).rejects.toMatchObject({ code: 'service-failed' })
    const lacking = serve(async path => (path.endsWith('safetensors') ? [404, ''] : file(path)), readDiffusersStage)
    await expect(lacking).rejects.toMatchObject({ code: 'not-found', message: expect.stringMatching(/no weights/) })
  })
})
