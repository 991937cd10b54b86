import { defaultParameters, FxError } from '@fx/core'
import type { BundleReader } from '../bundle/reader.js'
import { toRgba } from './pixels.js'
import type { StudentRunner } from './types.js'

/** A picture of the probe's bytes. */
const pictureOf = (bytes: Uint8Array, width: number, height: number): OffscreenCanvasRenderingContext2D => {
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!
  context.putImageData(new ImageData(toRgba(bytes), width, height), 0, 0)
  return context
}

/** How much a canvas rounds when it lays what is half transparent over a picture, of 255. */
const overlayRounding = 1

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
  const context = pictureOf(picture, width, height)
  runner.input.drawImage(context.canvas, 0, 0)
  // The probe's answer is what a visitor would see: what the student paints, over the picture.
  context.drawImage(await runner.run(defaults(bundle, runner)), 0, 0)
  // With a broken shader a GPU answers first and complains later, so the complaint may only come with a second run.
  await runner.run(defaults(bundle, runner))
  const actual = context.getImageData(0, 0, width, height).data
  const expected = toRgba(answer)
  let difference = expected.length === actual.length ? 0 : 255
  for (let i = 0; i < expected.length; i++) difference = Math.max(difference, Math.abs(expected[i]! - actual[i]!))
  const tolerance = probe.tolerance + (output.channels === 4 ? overlayRounding : 0)
  if (difference > tolerance) {
    throw new FxError(
      'backend-unavailable',
      `The ${engine} engine computes this effect wrongly here: off by ${difference} of 255, allowed are ${tolerance}`,
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
  const { canvas } = pictureOf(await bundle.read(probe.input, signal), input.width, input.height)
  runner.input.drawImage(canvas, 0, 0, runner.width, runner.height)
  for (let i = 0; i < 2; i++) await runner.run(defaults(bundle, runner))
}
