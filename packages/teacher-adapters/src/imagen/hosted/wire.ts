import type { GenerateContentResponse, GeneratedImage } from '@google/genai'
import type { RgbImage } from '../../contract/types.js'
import { encodePng } from '../../image/png.js'
import type { Client } from './client.js'
import type { HostedFailure } from './options.js'

/** Which pixels the service may change; it finds them itself. On the `:predict` wire only. */
export interface ServiceMask {
  mode: 'foreground' | 'background' | 'semantic'
  /** Up to five ids of what `semantic` looks for. */
  classes?: readonly number[]
  /** How far the mask grows, as a share of the image, 0-1. */
  dilation?: number
}

/** What is asked of the service: an edit of `image`, or a new image where there is none. */
export interface Question {
  prompt: string
  negativePrompt?: string
  image?: RgbImage
  /** A picture whose light pixels may change, or what the service shall find. */
  mask?: RgbImage | ServiceMask
}

/** What the service answered: images, or why there are none. */
export interface Answer {
  /** Base64. */
  images: string[]
  failure?: { reason: HostedFailure; message: string }
  inputTokens: number
  outputTokens: number
  modelVersion?: string
}

export interface Call extends Question {
  model: string
  config: Readonly<Record<string, unknown>>
  /** What the client adds to the call's config: the signal and the transport. */
  transport: object
}

const base64 = (bytes: Uint8Array): string => {
  let text = ''
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768))
  return btoa(text)
}

export const bytesOf = (data: string): Uint8Array => Uint8Array.from(atob(data), char => char.charCodeAt(0))

const png = ({ width, height, data }: RgbImage) => ({
  mimeType: 'image/png',
  imageBytes: base64(encodePng({ width, height, data })),
})

const inlineData = (image: RgbImage) => {
  const { mimeType, imageBytes: data } = png(image)
  return { inlineData: { mimeType, data } }
}

/** Reasons to end without an image that mean "refused", not "failed". */
const REFUSED = /SAFETY|PROHIBITED|BLOCKLIST|SPII|RECITATION|MODEL_ARMOR|JAILBREAK/

/** `POST models/{model}:generateContent`. */
export const generateContent = async ({ models }: Client, call: Call): Promise<Answer> => {
  const { model, prompt, image, config, transport } = call
  const parts = [{ text: prompt }, ...(image ? [inlineData(image)] : [])]
  const { imageConfig, ...others } = config
  const response = await models.generateContent({
    model,
    contents: [{ role: 'user', parts }],
    config: {
      responseModalities: ['IMAGE'],
      // Each continuation would be a request that nobody counts.
      automaticContinuation: false,
      ...others,
      imageConfig: { aspectRatio: '1:1', ...(imageConfig as object | undefined) },
      ...transport,
    },
  })
  return readContent(response)
}

const readContent = ({
  candidates = [],
  promptFeedback,
  usageMetadata: usage,
  modelVersion,
}: GenerateContentResponse): Answer => {
  const facts = {
    inputTokens: usage?.promptTokenCount ?? 0,
    outputTokens: (usage?.candidatesTokenCount ?? 0) + (usage?.thoughtsTokenCount ?? 0),
    ...(modelVersion && { modelVersion }),
  }
  const reasons = candidates.flatMap(({ finishReason }) => finishReason ?? [])
  const images = candidates
    .filter(({ finishReason }) => !REFUSED.test(finishReason ?? ''))
    .flatMap(({ content }) => content?.parts ?? [])
    // What a model draws while it thinks is no answer.
    .flatMap(({ inlineData, thought }) => (inlineData?.data && !thought ? [inlineData.data] : []))
  if (images.length > 0) return { ...facts, images }

  const { blockReason, blockReasonMessage } = promptFeedback ?? {}
  const refusal = blockReason ?? reasons.find(reason => REFUSED.test(reason))
  const words = candidates
    .flatMap(({ content }) => content?.parts ?? [])
    .flatMap(({ text, thought }) => (text && !thought ? [text] : []))
    .join(' ')
  const said = [blockReasonMessage, ...candidates.map(({ finishMessage }) => finishMessage), words]
    .filter(Boolean)
    .join('; ')
  return {
    ...facts,
    images: [],
    failure: refusal
      ? { reason: 'filtered', message: said ? `${refusal}: ${said}` : refusal }
      : { reason: 'no-image', message: said || `the answer holds no image (${reasons.join(', ') || 'no reason'})` },
  }
}

const MASK_MODES = {
  foreground: 'MASK_MODE_FOREGROUND',
  background: 'MASK_MODE_BACKGROUND',
  semantic: 'MASK_MODE_SEMANTIC',
} as const

/** `POST models/{model}:predict`: `editImage` with an image, `generateImages` without. */
export const predict = async ({ sdk, models }: Client, call: Call): Promise<Answer> => {
  const { model, prompt, negativePrompt, image, mask, config, transport } = call
  const common = {
    includeRaiReason: true,
    outputMimeType: 'image/png',
    ...(negativePrompt && { negativePrompt }),
    ...config,
    ...transport,
  }
  if (!image) {
    const { generatedImages } = await models.generateImages({
      model,
      prompt,
      config: { aspectRatio: '1:1', ...common },
    })
    return readImages(generatedImages)
  }
  const raw = Object.assign(new sdk.RawReferenceImage(), { referenceId: 1, referenceImage: png(image) })
  const references: (typeof raw | InstanceType<typeof sdk.MaskReferenceImage>)[] = [raw]
  if (mask) {
    const reference = Object.assign(new sdk.MaskReferenceImage(), { referenceId: 2 })
    if ('data' in mask) {
      reference.referenceImage = png(mask)
      reference.config = { maskMode: sdk.MaskReferenceMode.MASK_MODE_USER_PROVIDED, maskDilation: 0 }
    } else {
      const { mode, classes, dilation } = mask
      reference.config = {
        maskMode: sdk.MaskReferenceMode[MASK_MODES[mode]],
        ...(classes && { segmentationClasses: [...classes] }),
        ...(dilation !== undefined && { maskDilation: dilation }),
      }
    }
    references.push(reference)
  }
  const { EDIT_MODE_INPAINT_INSERTION, EDIT_MODE_DEFAULT } = sdk.EditMode
  const editMode = mask ? EDIT_MODE_INPAINT_INSERTION : EDIT_MODE_DEFAULT
  const { generatedImages } = await models.editImage({
    model,
    prompt,
    referenceImages: references,
    config: { editMode, ...common },
  })
  return readImages(generatedImages)
}

/** A filtered image comes as an entry without bytes, with a reason. */
const readImages = (generated: readonly GeneratedImage[] = []): Answer => {
  const images = generated.flatMap(({ image, raiFilteredReason }) =>
    image?.imageBytes && !raiFilteredReason ? [image.imageBytes] : [],
  )
  const facts = { images, inputTokens: 0, outputTokens: 0 }
  if (images.length > 0) return facts
  const reasons = [...new Set(generated.flatMap(({ raiFilteredReason }) => raiFilteredReason ?? []))]
  return {
    ...facts,
    failure:
      reasons.length > 0
        ? { reason: 'filtered', message: reasons.join('; ') }
        : { reason: 'no-image', message: 'the answer holds no image and no reason' },
  }
}
