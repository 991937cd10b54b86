import { defaultParameters, FxError } from '@fx/core'
import type { BundleReader } from '../bundle/reader.js'
import { toRgba } from './pixels.js'
import type { StudentRunner } from './types.js'

/** What a canvas shows, multiplied by alpha: where nothing shows, colours mean nothing. */
const shown = (rgba: Uint8ClampedArray): Float32Array =>
  Float32Array.from(rgba, (byte, i) => (i % 4 === 3 ? byte : (byte * rgba[i | 3]!) / 255))

const readBack = (canvas: OffscreenCanvas): Uint8ClampedArray => {
  const { width, height } = canvas
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!
  context.drawImage(canvas, 0, 0)
  return context.getImageData(0, 0, width, height).data
}

const defaults = ({ manifest }: BundleReader, { parameters }: StudentRunner): number[] =>
  parameters === 0 ? [] : Object.values(defaultParameters(manifest.effect))

/**
 * Runs the bundle's probe: a device whose engine computes wrongly is found out before a user sees it.
 *
 * @throws FxError `backend-unavailable` when the answer is not the probe's, or the engine fails.
 */
export const prove = async (runner: StudentRunner, bundle: BundleReader, signal?: AbortSignal): Promise<void> => {
  const { probe, output } = bundle.manifest
  const [picture, answer] = await Promise.all([bundle.read(probe.input, signal), bundle.read(probe.output, signal)])
  const { width, height, engine } = runner
  runner.input.putImageData(new ImageData(toRgba(picture, 3), width, height), 0, 0)
  const actual = shown(readBack(await runner.run(defaults(bundle, runner))))
  // With a broken shader a GPU answers first and complains later, so the complaint may only come with a second run.
  await runner.run(defaults(bundle, runner))
  const expected = shown(toRgba(answer, output.channels ?? 3))
  let difference = Math.abs(expected.length - actual.length)
  for (let i = 0; i < expected.length; i++) difference = Math.max(difference, Math.abs(expected[i]! - actual[i]!))
  const { tolerance } = probe
  if (difference > tolerance) {
    const off = Math.round(difference)
    throw new FxError(
      'backend-unavailable',
      `The ${engine} engine computes this effect wrongly here: off by ${off} of 255, allowed are ${tolerance}`,
      { details: { engine, difference, tolerance } },
    )
  }
}

/**
 * Runs a smaller model, for which a bundle has no probe, on the probe's picture.
 *
 * @throws FxError `backend-unavailable` when the engine fails.
 */
export const tryOut = async (runner: StudentRunner, bundle: BundleReader, signal?: AbortSignal): Promise<void> => {
  const { probe, input } = bundle.manifest
  const picture = new OffscreenCanvas(input.width, input.height)
  const pixels = new ImageData(toRgba(await bundle.read(probe.input, signal), 3), input.width, input.height)
  picture.getContext('2d')!.putImageData(pixels, 0, 0)
  runner.input.drawImage(picture, 0, 0, runner.width, runner.height)
  for (let i = 0; i < 2; i++) await runner.run(defaults(bundle, runner))
}
