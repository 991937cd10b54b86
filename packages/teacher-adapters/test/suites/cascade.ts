import { type BackendName, prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { lowResolutionInput } from '../../src/imagen/pipeline/stage.js'
import {
  type Cascade,
  type CascadeEdit,
  cascade,
  type EditMethod,
  type StageSampling,
  type StrengthMapping,
} from '../../src/imagen.js'
import { expectClose, readArrays, toNchw, toNhwc } from '../imagen.js'
import { tinySampling, tinyStages } from '../tiny-cascade.js'
import { wordEncoder } from '../tiny-imagen.js'

/** What pixels and masks hold, for comparisons bit for bit. */
const valuesOf = (x: tf.Tensor): number[] => Array.from(x.dataSync())
const row = (x: tf.Tensor4D, index: number): number[] =>
  tf.tidy(() => valuesOf(tf.slice(x, [index, 0, 0, 0], [1, -1, -1, -1])))
const differs = (a: tf.Tensor, b: tf.Tensor): boolean =>
  tf.tidy(() => valuesOf(tf.abs(tf.sub(a, b))).some(value => value > 1e-3))

/** Pictures from words, and edits of them. */
export const cascadeSuite = (backend: BackendName): void => {
  let tensors = 0
  let uninstall: () => void
  let made: Cascade
  beforeAll(async () => {
    await prepareBackend({ backend, threads: 1 })
    uninstall = await installTrainingKernels()
  })
  afterAll(() => uninstall())
  beforeEach(() => {
    tensors = tf.memory().numTensors
    made = cascade({ stages: tinyStages(), sampling: tinySampling })
  })
  afterEach(() => {
    made.dispose()
    expect(tf.memory().numTensors).toBe(tensors)
  })

  const words = wordEncoder()
  /** Runs with the embeddings of prompts, and frees them. */
  const withText = async <T>(
    prompts: readonly string[],
    work: (text: tf.Tensor3D, negative: tf.Tensor3D) => Promise<T>,
  ) => {
    const [text, negative] = [await words.encode(prompts), await words.encode([''])]
    try {
      return await work(text, negative)
    } finally {
      tf.dispose([text, negative])
    }
  }

  const generate = (prompts: readonly string[], seeds: readonly (string | number)[], from = made) =>
    withText(prompts, (text, negative) => from.generate({ text, negative, seeds }))

  test('an image depends on its prompt and its seed, and not on its batch', async () => {
    const images = await generate(['a red disc', 'a red disc', 'a blue disc'], [1, 2, 1])
    const [first, second, third] = [0, 1, 2].map(index => row(images, index))
    expect(images.shape).toEqual([3, 16, 16, 3])
    expect(second).not.toEqual(first)
    expect(third).not.toEqual(first)
    const alone = await generate(['a blue disc'], [1])
    // TensorFlow picks its kernels by size, and they round otherwise.
    if (backend === 'tfjs-node')
      expectClose(alone, { shape: [1, 16, 16, 3], data: Float32Array.from(third!) }, { atol: 1e-5, rtol: 0 })
    else expect(valuesOf(alone)).toEqual(third)
    tf.dispose([images, alone])
  })

  test('samplings are read: steps, guidance, threshold, noise level', async () => {
    const usual = await generate(['a red disc'], [1])
    const [base, enlarger] = tinySampling
    const samplings: [StageSampling, StageSampling][] = [
      [{ ...base, sampler: { kind: 'ddpm', steps: 3 } }, enlarger],
      [{ ...base, guidance: 1 }, enlarger],
      [{ ...base, threshold: false }, enlarger],
      [{ ...base, threshold: { kind: 'static', range: 0.5 } }, enlarger],
      [base, { ...enlarger, noiseLevel: 10 }],
    ]
    for (const sampling of samplings) {
      const other = cascade({ stages: tinyStages(), sampling })
      const images = await generate(['a red disc'], [1], other)
      expect(differs(images, usual), JSON.stringify(sampling)).toBe(true)
      tf.dispose(images)
      other.dispose()
    }
    usual.dispose()
  })

  test('the low-resolution input is enlarged and noised as in the reference', async () => {
    const golden = await readArrays('stage2_sr.expected')
    const { schedule } = made.stages[1]!.low!
    tf.tidy(() => {
      const low = toNhwc(golden.get('low_res')!)
      const upsampled = tf.image.resizeBilinear(low, [32, 32], true)
      expectClose(toNchw(upsampled), golden.get('low_res_upsampled')!, { atol: 1e-5, rtol: 0 })
      const streams = [[1], [2]]
      const noise = tf.sub(
        lowResolutionInput({ resolution: 32 }, { level: 250, schedule }, low, streams),
        lowResolutionInput({ resolution: 32 }, { level: 250, schedule }, tf.zerosLike(low), streams),
      )
      // What is left without the noise is the golden's image at the golden's scale.
      const scaled = tf.mul(upsampled, schedule.scaleAt(golden.get('noise_level')!.data[0]!).alpha)
      expect(golden.get('noise_level')!.data[0]).toBe(250)
      expect(tf.max(tf.abs(tf.sub(noise, scaled))).dataSync()[0]).toBeLessThan(1e-5)
    })
  })

  interface EditCase {
    method: EditMethod
    mapping?: StrengthMapping
    strength?: number
    target?: string
    masks?: (side: number) => tf.Tensor4D
  }
  /** An input and its edit at every stage, `[input, target]` by stage. */
  const edited = async ({ method, mapping = 'interpolation', strength = 1, target = 'a blue disc', masks }: EditCase) =>
    withText(['a red disc', target], async (both, negative) => {
      const [before, text] = tf.split(both, 2) as [tf.Tensor3D, tf.Tensor3D]
      const common = { negative, seeds: [7] }
      const shared = method.kind === 'shared-noise' ? (method.shared ?? 0) : 0
      const source = await made.render({ ...common, text: before, shared })
      const given = masks?.(16)
      const request: CascadeEdit = {
        ...common,
        before,
        text,
        method,
        strength: { mapping, values: [strength] },
        ...(given && { masks: given }),
      }
      const result = await made.edit(source, request)
      const images = source.images.map((image, i) => [valuesOf(image), valuesOf(result.images[i]!)] as const)
      tf.dispose([before, text, ...(given ? [given] : [])])
      source.dispose()
      result.dispose()
      return images
    })
  /** Share of values that an edit leaves bit for bit. */
  const kept = ([input, target]: readonly [number[], number[]]): number =>
    input.filter((value, i) => value === target[i]).length / input.length

  const leftHalf = (side: number): tf.Tensor4D =>
    tf.tidy(() =>
      tf.tile(tf.reshape(tf.cast(tf.less(tf.range(0, side), side / 2), 'float32'), [1, 1, side, 1]), [1, side, 1, 1]),
    )

  test('shared noise: the same prompt gives the same picture, another prompt another', async () => {
    const method = { kind: 'shared-noise' } as const
    for (const [input, target] of await edited({ method, target: 'a red disc' })) expect(target).toEqual(input)
    for (const pair of await edited({ method })) expect(kept(pair)).toBeLessThan(0.5)
  })

  test('interpolation: 0 is the input, 1 the target, between lies neither', async () => {
    const method = { kind: 'shared-noise' } as const
    const [, [input, none]] = (await edited({ method, strength: 0 })) as never as [unknown, [number[], number[]]]
    expect(none).toEqual(input)
    const [, [, half]] = (await edited({ method, strength: 0.5 })) as never as [unknown, [number[], number[]]]
    const [, [, full]] = (await edited({ method })) as never as [unknown, [number[], number[]]]
    const distance = (a: number[], b: number[]) => Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0))
    expect(distance(half, input)).toBeGreaterThan(0)
    expect(distance(half, input)).toBeLessThan(distance(full, input))
  })

  test('shared steps bring the pictures closer; all of them make them one', async () => {
    const apart = async (shared: number) => {
      const [[input, target]] = (await edited({ method: { kind: 'shared-noise', shared } })) as never as [
        [number[], number[]],
      ]
      return input.reduce((sum, value, i) => sum + Math.abs(value - target[i]!), 0)
    }
    const [none, half, all] = [await apart(0), await apart(0.5), await apart(1)]
    expect(half).toBeLessThan(none)
    expect(half).toBeGreaterThan(0)
    expect(all).toBe(0)
  })

  test('SDEdit: the more strength, the further from the source', async () => {
    const apart = async (strength: number, mapping: StrengthMapping, own = 1) => {
      const images = await edited({ method: { kind: 'sdedit', strength: own }, mapping, strength })
      const [input, target] = images[0]!
      return input.reduce((sum, value, i) => sum + Math.abs(value - target[i]!), 0)
    }
    expect(await apart(0, 'sdedit')).toBe(0)
    const some = await apart(0.25, 'sdedit')
    expect(some).toBeGreaterThan(0)
    expect(some).toBeLessThan(await apart(1, 'sdedit'))
    // The method's own strength is the most that the effect's leads to.
    expect(await apart(1, 'guidance', 0.25)).toBe(some)
    expect(await apart(0.5, 'sdedit', 0.5)).toBe(some)
    expect(await apart(0.3, 'guidance', 0.25)).not.toBe(some)
  })

  test('inpainting under a mask keeps every other pixel bit for bit, at every stage', async () => {
    for (const method of [{ kind: 'inpaint' }, { kind: 'inpaint', strength: 0.5 }] as const) {
      for (const [stage, [input, target]] of (await edited({ method, masks: leftHalf })).entries()) {
        const side = 8 * 2 ** stage
        const inside = input.map((_, i) => Math.floor(i / 3) % side < side / 2)
        expect(target.filter((_, i) => !inside[i])).toEqual(input.filter((_, i) => !inside[i]))
        expect(target.filter((_, i) => inside[i])).not.toEqual(input.filter((_, i) => inside[i]))
      }
    }
  })

  test('a mask is found where the prompts differ; with equal prompts nothing may change', async () => {
    const found = await edited({ method: { kind: 'inpaint', mask: { maps: 2, ratio: 2, grow: 0 } } })
    for (const pair of found) {
      expect(kept(pair)).toBeGreaterThan(0.05)
      expect(kept(pair)).toBeLessThan(0.95)
    }
    const wider = await edited({ method: { kind: 'inpaint', mask: { maps: 2, ratio: 2, grow: 1 } } })
    expect(kept(wider[0]!)).toBeLessThan(kept(found[0]!))
    const same = await edited({ method: { kind: 'inpaint', mask: { maps: 1 } }, target: 'a red disc' })
    for (const [input, target] of same) expect(target).toEqual(input)
  })

  test('what the base stage left unchanged stays so at every resolution', async () => {
    const loose = await edited({ method: { kind: 'sdedit', strength: 0.5, keepUnchanged: 255 } })
    for (const [input, target] of loose) expect(target).toEqual(input)
    const some = await edited({ method: { kind: 'sdedit', strength: 0.25, keepUnchanged: 40 } })
    expect(kept(some[0]!)).toBeGreaterThan(0)
    expect(kept(some[1]!)).toBeGreaterThan(0)
    expect(kept(some[1]!)).toBeLessThan(1)
  })

  test('pictures from elsewhere can be edited', async () => {
    const images = tf.randomUniform([1, 16, 16, 3], -1, 1, 'float32', 5) as tf.Tensor4D
    const source = made.renderingOf(images)
    expect(source.images.map(({ shape }) => shape[1])).toEqual([8, 16])
    expect(valuesOf(source.images[1]!)).toEqual(valuesOf(images))
    const masks = leftHalf(16)
    const result = await withText(['a person', 'a blue disc'], (both, negative) => {
      const [before, text] = tf.split(both, 2) as [tf.Tensor3D, tf.Tensor3D]
      const strength = { mapping: 'interpolation', values: [1] } as const
      const request = { before, text, negative, seeds: [3], method: { kind: 'inpaint' }, strength, masks } as const
      return made.edit(source, request).finally(() => tf.dispose([before, text]))
    })
    expect(differs(result.images[1]!, images)).toBe(true)
    tf.dispose([images, masks])
    source.dispose()
    result.dispose()
  })

  test('an abort stops between steps and leaves nothing behind', async () => {
    for (const stopAt of [0, 1, 5]) {
      const controller = new AbortController()
      const before = tf.memory().numTensors
      let steps = 0
      if (stopAt === 0) controller.abort(new Error('enough'))
      const onStep = () => {
        if (++steps === stopAt) controller.abort(new Error('enough'))
      }
      const { signal } = controller
      const run = withText(['a red disc'], (text, negative) =>
        made.generate({ text, negative, seeds: [1], signal, onStep }),
      )
      await expect(run).rejects.toMatchObject({ code: 'aborted', cause: { message: 'enough' } })
      expect(steps).toBe(stopAt)
      expect(tf.memory().numTensors).toBe(before)
    }
  })

  test('progress is told by stage and step', async () => {
    const told: string[] = []
    const images = await withText(['a red disc'], (text, negative) =>
      made.generate({
        text,
        negative,
        seeds: [1],
        onStep: ({ stage, stages, step, steps }) => told.push(`${stage}/${stages} ${step}/${steps}`),
      }),
    )
    images.dispose()
    expect(told).toEqual(['1/2 1/4', '1/2 2/4', '1/2 3/4', '1/2 4/4', '2/2 1/2', '2/2 2/2'])
  })

  test('what does not fit is refused in words, and leaves nothing behind', async () => {
    const [base, enlarger] = tinyStages()
    const held = tf.memory().numTensors
    const refuse = (stages: (typeof base)[], sampling: StageSampling[], message: RegExp) =>
      expect(() => cascade({ stages: stages as never, sampling })).toThrow(
        expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) }),
      )
    refuse([], [], /at least one stage/)
    refuse([enlarger], [], /stage 1 enlarges/)
    refuse([base, base], [], /stage 2 makes images from noise/)
    refuse([base, { ...enlarger!, stage: { ...enlarger!.stage, lowResolution: 4 } }], [], /enlarges 4 .*makes 8/)
    refuse([base, enlarger], [{}, { noiseLevel: 9 }], /noiseLevel is 9.*10 to 500/)
    refuse([base, enlarger], [{ noiseLevel: 20 }], /takes no noiseLevel/)
    refuse([base, enlarger], [{ guidance: Number.NaN }], /guidance is NaN/)
    refuse([base, enlarger], [{}, {}, {}], /2 and 3/)
    expect(tf.memory().numTensors).toBe(held)

    await withText(['a red disc'], async (text, negative) => {
      await expect(made.generate({ text, seeds: [1] })).rejects.toThrow(/guidance needs the embedding/)
      await expect(made.generate({ text, negative, seeds: [1, 2] })).rejects.toThrow(/2 seeds for 1 prompts/)
      await expect(made.generate({ text, negative, seeds: [] })).rejects.toThrow(/0 seeds/)
      const source = await made.render({ text, negative, seeds: [1] })
      const edit = (change: Partial<CascadeEdit>) =>
        made.edit(source, {
          before: text,
          text,
          negative,
          seeds: [1],
          method: { kind: 'shared-noise' },
          strength: { mapping: 'interpolation', values: [1] },
          ...change,
        })
      await expect(edit({ method: { kind: 'shared-noise', shared: 0.5 } })).rejects.toThrow(/rendered for it/)
      await expect(edit({ method: { kind: 'p2p' } as never })).rejects.toThrow(/"p2p".*'inpaint'/)
      await expect(edit({ strength: { mapping: 'sdedit', values: [1] } })).rejects.toThrow(/needs the method/)
      await expect(edit({ strength: { mapping: 'interpolation', values: [] } })).rejects.toThrow(/0 strengths for 1/)
      await expect(edit({ strength: { mapping: 'interpolation', values: [-1] } })).rejects.toThrow(/strength is -1/)
      const masks = tf.ones([1, 8, 8, 1]) as tf.Tensor4D
      await expect(edit({ method: { kind: 'inpaint' }, masks })).rejects.toThrow(/\[1, 16, 16, 1\], got \[1, 8, 8, 1\]/)
      expect(() => made.renderingOf(masks)).toThrow(/\[1, 16, 16, 3\]/)
      masks.dispose()
      source.dispose()
    })
  })

  test('networks whose answers are not finite are told, with no tensor left', async () => {
    const [base] = tinyStages()
    const weights = new Map(base!.weights)
    const { shape } = weights.get('conv_out.bias')!
    weights.set('conv_out.bias', { shape, data: new Float32Array(3).fill(Number.NaN) })
    const broken = cascade({ stages: [{ ...base!, weights }], sampling: [tinySampling[0]] })
    const held = tf.memory().numTensors
    await expect(generate(['a red disc'], [1], broken)).rejects.toMatchObject({ code: 'not-finite' })
    expect(tf.memory().numTensors).toBe(held)
    broken.dispose()
  })
}
