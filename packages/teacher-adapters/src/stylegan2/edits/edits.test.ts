import { prepareBackend } from '@fx/backend'
import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { tinyGenerator } from '../../../test/tiny-stylegan2.js'
import {
  type DirectionEdit,
  directionEdit,
  encodeEdits,
  type Generator,
  parseEdits,
  type Styles,
  sefa,
  splitStyles,
  supervisedDirection,
} from '../../stylegan2.js'

const numbers = (tensor: tf.Tensor): number[] => Array.from(tensor.dataSync())
const isFxError = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })
const random = seededRandom('edits')
const normals = (length: number): Float32Array => Float32Array.from({ length }, () => random.normal())
const strength = { min: -3, max: 3, default: 1 }
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, v, i) => sum + v * b[i]!, 0)

describe.each(['cpu', 'wasm'] as const)('edits on %s', backend => {
  let generator: Generator
  let w: tf.Tensor3D
  beforeAll(async () => {
    await prepareBackend({ backend, threads: 1 })
    generator = tinyGenerator()
    w = tf.tidy(() => generator.broadcast(generator.mapping(generator.latents([1, 2, 3]))))
  })
  const moved = (edit: DirectionEdit, strengths = [0, 1, -2]) => edit.apply(generator, w, strengths)

  test('in W every row moves, or some of them, by strength times the direction', () => {
    const direction = normals(8)
    for (const layers of [undefined, { from: 2, to: 4 }]) {
      const edit = directionEdit({ id: 'some', space: 'w', direction, strength, ...(layers && { layers }) })
      const [before, after] = [w.arraySync(), (moved(edit) as tf.Tensor3D).arraySync()]
      ;[0, 1, -2].forEach((amount, image) => {
        before[image]!.forEach((row, r) => {
          const moves = !layers || (r >= 2 && r < 4)
          row.forEach((value, i) => {
            expect(after[image]![r]![i]).toBeCloseTo(value + (moves ? amount * direction[i]! : 0), 5)
          })
        })
      })
      expect(after[0]).toEqual(before[0])
    }
  })

  test('in W+ each row has its own direction', () => {
    const direction = normals(6 * 8)
    const after = numbers(moved(directionEdit({ id: 'some', space: 'w+', direction, strength })) as tf.Tensor)
    numbers(w).forEach((value, i) => {
      expect(after[i]).toBeCloseTo(value + [0, 1, -2][Math.floor(i / 48)]! * direction[i % 48]!, 5)
    })
  })

  test('in StyleSpace only the named layers move', () => {
    const direction = { 'b8.conv0': normals(8), 'b16.torgb': normals(8) }
    const after = moved(directionEdit({ id: 'some', space: 'styles', direction, strength })) as Styles
    for (const [name, style] of Object.entries(generator.styles(w))) {
      const step = (direction as Record<string, Float32Array>)[name]
      const values = numbers(after[name]!)
      numbers(style).forEach((value, i) => {
        expect(values[i]).toBeCloseTo(value + (step ? [0, 1, -2][Math.floor(i / 8)]! * step[i % 8]! : 0), 5)
      })
    }
    expect(generator.synthesis(after).shape).toEqual([3, 16, 16, 3])
  })

  test('a level is reached by everyone at strength 1, half of the way at one half', () => {
    const level = { intercept: 0.25, score: 1.5 }
    const flat = (latents: tf.Tensor | Styles): number[][] => {
      const tensor =
        latents instanceof tf.Tensor
          ? latents
          : tf.concat(
              generator.layers.map(({ name }) => latents[name]!),
              1,
            )
      return tf.reshape(tensor, [3, -1]).arraySync() as number[][]
    }
    const total = generator.layers.reduce((sum, { inChannels }) => sum + inChannels, 0)
    const [wNormal, plusNormal, styleNormal] = [normals(8), normals(48), normals(total)]
    const split = (values: Float32Array) => splitStyles(generator.layers, values)
    const mean = (rows: number[], from: number, to: number) =>
      Array.from({ length: 8 }, (_, i) => {
        let sum = 0
        for (let row = from; row < to; row++) sum += rows[row * 8 + i]! / (to - from)
        return sum
      })
    const cases: [DirectionEdit, (rows: number[]) => number][] = [
      [
        directionEdit({ id: 'some', space: 'w', direction: wNormal, level: { ...level, normal: wNormal } }),
        rows => dot(mean(rows, 0, 6), wNormal),
      ],
      [
        directionEdit({
          id: 'some',
          space: 'w',
          direction: normals(8),
          layers: { from: 3, to: 5 },
          level: { ...level, normal: wNormal },
        }),
        rows => dot(mean(rows, 3, 5), wNormal),
      ],
      [
        directionEdit({ id: 'some', space: 'w+', direction: normals(48), level: { ...level, normal: plusNormal } }),
        rows => dot(rows, plusNormal),
      ],
      [
        directionEdit({
          id: 'some',
          space: 'styles',
          direction: split(normals(total)),
          level: { ...level, normal: split(styleNormal) },
        }),
        rows => dot(rows, styleNormal),
      ],
    ]
    for (const [edit, project] of cases) {
      expect(edit.strength).toEqual({ min: 0, max: 1, default: 1 })
      const at = (t: number) => flat(moved(edit, [t, t, t])).map(rows => project(rows) + level.intercept)
      const [none, half, full] = [at(0), at(0.5), at(1)]
      none.forEach((score, i) => {
        expect(Math.abs(full[i]! - level.score)).toBeLessThan(0.01)
        expect(Math.abs(half[i]! - (score + level.score) / 2)).toBeLessThan(0.01)
      })
      expect(Math.max(...none) - Math.min(...none)).toBeGreaterThan(0.1)
    }
  })

  test('stored edits come back as they were, and equal edits are equal bytes', async () => {
    const vector = normals(8)
    const edits = [
      directionEdit({ id: 'one', space: 'w', direction: vector, strength, layers: { from: 1, to: 3 } }),
      directionEdit({ id: 'two', space: 'w+', direction: normals(48), strength }),
      directionEdit({
        id: 'three',
        space: 'styles',
        direction: { 'b4.conv1': vector },
        level: { normal: { 'b4.conv1': vector }, intercept: 0.1, score: 2 },
      }),
    ]
    const bytes = encodeEdits(edits)
    const parsed = await parseEdits(bytes)
    expect(JSON.stringify(parsed)).toBe(JSON.stringify(edits))
    expect(encodeEdits(parsed)).toEqual(bytes)
    expect(new Set(edits.map(({ version }) => version)).size).toBe(3)
    for (const [i, edit] of edits.entries()) {
      const [a, b] = [moved(edit), moved(parsed[i]!)].map(latents =>
        numbers(latents instanceof tf.Tensor ? latents : latents['b4.conv1']!),
      )
      expect(a).toEqual(b)
    }
  })

  test('nothing is left behind', async () => {
    const edit = directionEdit({ id: 'some', space: 'w', direction: normals(8), strength })
    const wrong = directionEdit({ id: 'some', space: 'w', direction: normals(9), strength })
    const { numTensors } = tf.memory()
    tf.dispose(edit.apply(generator, w, [1, 2, 3]))
    expect(() => wrong.apply(generator, w, [1, 2, 3])).toThrow()
    await sefa(generator)
    expect(tf.memory().numTensors).toBe(numTensors)
  })

  test('what does not fit the generator is refused, saying what would', () => {
    const shape = (message: RegExp) => isFxError('shape-mismatch', message)
    const base = { id: 'some', strength }
    const apply = (edit: DirectionEdit) => () => moved(edit)
    expect(apply(directionEdit({ ...base, space: 'w', direction: normals(9) }))).toThrow(shape(/'some' must have 8/))
    expect(apply(directionEdit({ ...base, space: 'w+', direction: normals(8) }))).toThrow(shape(/must have 48 values/))
    expect(apply(directionEdit({ ...base, space: 'styles', direction: { b4: normals(8) } }))).toThrow(
      shape(/layer 'b4', the generator has b4.conv1, b4.torgb/),
    )
    expect(apply(directionEdit({ ...base, space: 'styles', direction: { 'b4.conv1': normals(7) } }))).toThrow(
      shape(/layer 'b4.conv1'.* 8 values, it has 7/),
    )
    expect(apply(directionEdit({ ...base, space: 'w', direction: normals(8), layers: { from: 0, to: 7 } }))).toThrow(
      isFxError('invalid-argument', /to: 7 .*<= 6/),
    )
    expect(() => directionEdit({ ...base, space: 'w', direction: normals(8) }).apply(generator, w, [1])).toThrow(
      shape(/strengths.* 3 values, it has 1/),
    )
  })

  describe('sefa', () => {
    test('finds the factors of weights that were built from them', async () => {
      // Channels look along the axes 0, 1 and 2 in falling numbers, whatever the size of their weights.
      const axes = [0, 0, 0, 0, 0, 1, 1, 2]
      const built = tinyGenerator({
        change: (name, data) => {
          if (!name.endsWith('affine.weight')) return
          data.fill(0)
          axes.forEach((axis, channel) => {
            data[channel * 8 + axis] = 0.1 + channel
          })
        },
      })
      const found = await sefa(built, { layers: { from: 1, to: 3 }, count: 4 })
      expect(found.map(({ eigenvalue }) => Math.round(eigenvalue * 1e6) / 1e6)).toEqual([10, 4, 2, 0])
      found.slice(0, 3).forEach(({ direction }, i) => {
        expect(Array.from(direction, v => Math.round(v * 1e6) / 1e6 + 0)).toEqual(
          Array.from({ length: 8 }, (_, j) => (j === i ? 1 : 0)),
        )
      })
      built.dispose()
    })

    test('its first direction changes the styles most, no step of the same length more', async () => {
      // Channels of unit length, so that styles change as the factored matrix does.
      const unit = tinyGenerator({
        change: (name, data) => {
          if (!name.endsWith('affine.weight')) return
          for (let row = 0; row < data.length; row += 8) {
            const length = Math.hypot(...data.subarray(row, row + 8))
            for (let i = row; i < row + 8; i++) data[i]! *= Math.sqrt(8) / length
          }
        },
      })
      const directions = await sefa(unit, { layers: { from: 0, to: 5 }, count: 8 })
      const change = (direction: Float32Array): number => {
        const length = Math.hypot(...direction)
        const step = tf.tensor2d(
          direction.map(v => v / length),
          [1, 8],
        )
        const [before, after] = [unit.styles(tf.zeros([1, 8]) as tf.Tensor2D), unit.styles(step)]
        const convs = unit.layers.filter(({ kind }) => kind !== 'rgb')
        return convs.reduce(
          (sum, { name }) => sum + tf.sum(tf.squaredDifference(before[name]!, after[name]!)).dataSync()[0]!,
          0,
        )
      }
      const changes = directions.map(({ direction }) => change(direction))
      for (const [i, { eigenvalue }] of directions.entries()) expect(changes[i]).toBeCloseTo(eigenvalue, 3)
      expect(changes).toEqual([...changes].sort((a, b) => b - a))
      for (let i = 0; i < 20; i++) expect(change(normals(8))).toBeLessThanOrEqual(changes[0]! + 1e-4)
      expect(await sefa(unit, { layers: { from: 0, to: 5 }, count: 8 })).toEqual(directions)
      for (const { direction } of directions) {
        const largest = direction.reduce((most, v) => (Math.abs(v) > Math.abs(most) ? v : most), 0)
        expect(largest).toBeGreaterThan(0)
      }
      unit.dispose()
    })

    test('rows and counts that do not exist are refused', async () => {
      await expect(sefa(generator, { layers: { from: 0, to: 7 } })).rejects.toEqual(
        isFxError('invalid-argument', /to is 7/),
      )
      await expect(sefa(generator, { count: 9 })).rejects.toEqual(isFxError('invalid-argument', /count is 9.*8/))
    })
  })
})

describe('malformed directions', () => {
  const base = { id: 'some', space: 'w' as const, direction: normals(4), strength }
  test.each([
    ['an id', { id: 'Some Edit' }, 'invalid-argument', /kebab/],
    ['no strength', { strength: undefined }, 'invalid-argument', /needs a strength/],
    ['a range', { strength: { min: 1, max: 0, default: 0 } }, 'invalid-argument', /min <= default <= max/],
    ['NaN', { direction: Float32Array.of(1, Number.NaN) }, 'not-finite', /direction.*NaN/],
    ['zeros', { direction: new Float32Array(4) }, 'invalid-argument', /zero everywhere/],
    ['a plain array', { direction: [1, 2] }, 'invalid-argument', /Float32Array/],
    ['layers in W', { direction: { a: normals(2) } }, 'invalid-argument', /Float32Array/],
    ['rows', { layers: { from: 2, to: 2 } }, 'invalid-argument', /from: 2, to: 2/],
    [
      'a level across',
      {
        direction: Float32Array.of(1, 0),
        level: { normal: Float32Array.of(0, 1), intercept: 0, score: 1 },
      },
      'invalid-argument',
      /does not change the score/,
    ],
    ['a level', { level: { normal: normals(4), intercept: 0, score: Number.NaN } }, 'invalid-argument', /score.*NaN/],
  ])('%s', (_, change, code, message) => {
    expect(() => directionEdit({ ...base, ...change } as never)).toThrow(isFxError(code, message))
  })

  test('files', async () => {
    const bytes = encodeEdits([directionEdit(base)])
    expect(() => encodeEdits([directionEdit(base), directionEdit(base)])).toThrow(/Two edits have the id 'some'/)
    const edited = (from: string, to: string) =>
      Uint8Array.from(Buffer.from(Buffer.from(bytes).toString('latin1').replace(from, to), 'latin1'))
    const refused = (changed: Uint8Array, code: string, message: RegExp) =>
      expect(parseEdits(changed)).rejects.toEqual(isFxError(code, message))
    await refused(edited('fx-latent-edits', 'fx-latent-edit_'), 'corrupt-file', /format/)
    await refused(edited('"version":"1"', '"version":"2"'), 'newer-version', /version 2/)
    await refused(edited('some/direction', 'some/direktion'), 'corrupt-file', /'some\/direction' is missing/)
    await refused(edited('\\"min\\":-3', '\\"mim\\":-3'), 'corrupt-file', /strength/)
    await refused(edited('\\"min\\":-3', '\\"min\\":+3'), 'corrupt-file', /JSON/)
    await refused(edited('\\"max\\":3', '\\"max\\":0'), 'corrupt-file', /min <= default <= max/)
    await refused(bytes.slice(0, -1), 'corrupt-file', /truncated/)
  })
})

describe('supervised directions', () => {
  const dim = 24
  const count = 600
  const codes = normals(count * dim).map((v, i) => (i % dim === 3 ? 2 * v + 1 : v))
  const [first, second] = [normals(dim), normals(dim)]
  const project = (normal: Float32Array, row: number) =>
    dot(codes.subarray(row * dim, (row + 1) * dim), normal) / Math.hypot(...normal)
  const rows = Array.from({ length: count }, (_, row) => row)
  const cosine = (a: Float32Array, b: Float32Array) => dot(a, b) / Math.hypot(...a) / Math.hypot(...b)

  test('an attribute that is there or not: boundary, distance and log-odds', () => {
    const labels = rows.map(row => (project(first, row) + 0.2 * random.normal() > 0.7 ? 1 : 0))
    const found = supervisedDirection({ codes, labels })
    expect(cosine(found.normal, first)).toBeGreaterThan(0.97)
    expect(Math.hypot(...found.normal)).toBeCloseTo(1, 5)
    expect(found.direction).toEqual(found.normal)
    expect(found.intercept).toBeCloseTo(-0.7, 1)
    expect(found.scale).toBeGreaterThan(2)
    expect(found.heldOut.kind).toBe('accuracy')
    expect(found.heldOut.count).toBe(120)
    expect(found.heldOut.value).toBeGreaterThan(0.9)
    expect(supervisedDirection({ codes, labels })).toEqual(found)
  })

  test('is where the penalised likelihood is greatest', () => {
    const few = codes.slice(0, 40 * 2)
    const labels = Array.from({ length: 40 }, (_, i) =>
      few[2 * i]! + few[2 * i + 1]! * 0.3 + random.normal() > 0 ? 1 : 0,
    )
    const { normal, intercept, scale } = supervisedDirection({ codes: few, labels, ridge: 0.05 })
    const order = seededRandom('supervised direction', 'held out').shuffled([...labels.keys()])
    const known = order.slice(8)
    const mean = [0, 1].map(j => known.reduce((sum, row) => sum + few[2 * row + j]! / 32, 0))
    const variance = [0, 1].reduce(
      (sum, j) => sum + known.reduce((s, row) => s + (few[2 * row + j]! - mean[j]!) ** 2 / 64, 0),
      0,
    )
    const loss = (a: number, b: number, c: number) =>
      known.reduce(
        (sum, row) => {
          const output = a * few[2 * row]! + b * few[2 * row + 1]! + c
          return sum + (Math.log1p(Math.exp(output)) - labels[row]! * output) / 32
        },
        0.025 * variance * (a * a + b * b),
      )
    const best = [scale * normal[0]!, scale * normal[1]!, scale * intercept] as const
    for (let i = 0; i < 3; i++) {
      for (const step of [-1e-2, 1e-2]) {
        const [a, b, c] = best.map((value, j) => value + (i === j ? step : 0))
        expect(loss(a!, b!, c!)).toBeGreaterThan(loss(...best))
      }
    }
  })

  test('a measured attribute: what it predicts', () => {
    const labels = rows.map(row => 5 + 3 * project(first, row) + 0.3 * random.normal())
    const { normal, scale, intercept, heldOut } = supervisedDirection({ codes, labels })
    expect(cosine(normal, first)).toBeGreaterThan(0.99)
    expect(scale).toBeCloseTo(3, 0)
    expect(scale * intercept).toBeCloseTo(5, 0)
    expect(heldOut.kind).toBe('r2')
    expect(heldOut.value).toBeGreaterThan(0.95)
    const noise = supervisedDirection({ codes, labels: rows.map(() => random.normal()) })
    expect(noise.heldOut.value).toBeLessThan(0.2)
  })

  test('moves at right angles to every condition', () => {
    const labels = rows.map(row => project(first, row))
    const third = normals(dim)
    const { direction, normal } = supervisedDirection({ codes, labels, conditions: [second, third, second] })
    expect(Math.abs(dot(direction, second))).toBeLessThan(1e-5)
    expect(Math.abs(dot(direction, third))).toBeLessThan(1e-5)
    expect(Math.hypot(...direction)).toBeCloseTo(1, 5)
    expect(dot(direction, normal)).toBeGreaterThan(0.7)
    const self = () => supervisedDirection({ codes, labels, conditions: [normal] })
    expect(self).toThrow(isFxError('invalid-argument', /conditions/))
  })

  test('fewer samples than values are enough for a direction', () => {
    const wide = normals(50 * 200)
    const labels = Array.from({ length: 50 }, (_, row) => wide[row * 200 + 7]!)
    for (const measured of [labels, labels.map(value => (value > 0 ? 1 : 0))]) {
      const { normal } = supervisedDirection({ codes: wide, labels: measured, ridge: 0.1 })
      expect(Math.max(...normal)).toBe(normal[7])
    }
  })

  test('samples that cannot be used are refused', () => {
    const labels = rows.map(row => row % 2)
    const ask = (change: object) => () => supervisedDirection({ codes, labels, ...change })
    expect(ask({ labels: [0, 1] })).toThrow(isFxError('invalid-argument', /2 labels; at least 10/))
    expect(ask({ codes: codes.slice(1) })).toThrow(isFxError('shape-mismatch', /600 labels/))
    expect(ask({ conditions: [normals(3)] })).toThrow(isFxError('shape-mismatch', /\[24\], got \[3\]/))
    expect(ask({ labels: rows.map(() => 1) })).toThrow(isFxError('invalid-argument', /all labels are 1/))
    expect(ask({ labels: rows.map(() => Number.NaN) })).toThrow(isFxError('not-finite', /NaN/))
    expect(ask({ codes: new Float32Array(count * dim) })).toThrow(isFxError('invalid-argument', /codes are equal/))
    expect(ask({ ridge: 0 })).toThrow(isFxError('invalid-argument', /ridge is 0/))
  })
})
