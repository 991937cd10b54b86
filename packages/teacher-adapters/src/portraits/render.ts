import { FxError } from '@fx/core'
import type { Licence, RgbImage } from '../contract/types.js'
import { diceBearOptions, type Person, type StyleOptions } from './person.js'
import type { PortraitStyle } from './styles.js'

/** Draws the people of one style. */
export interface Studio {
  options: StyleOptions
  licence: Licence
  render(person: Person, size: number): RgbImage
}

const SPDX: Record<string, string> = { 'CC0 1.0': 'CC0-1.0', 'CC BY 4.0': 'CC-BY-4.0' }

/** Loads DiceBear and resvg, which are optional peers. */
export const openStudio = async (style: PortraitStyle): Promise<Studio> => {
  const { createAvatar, collection, Resvg } = await loadPeers()
  const { meta, schema, ...rest } = collection[style]
  const options = (schema?.properties ?? {}) as StyleOptions
  return {
    options,
    licence: licenceOf(meta ?? {}),
    render: (person, size) => {
      const avatar = createAvatar({ meta, schema, ...rest } as never, diceBearOptions(person, options))
      const { pixels, width, height } = new Resvg(avatar.toString(), {
        fitTo: { mode: 'width', value: size },
        font: { loadSystemFonts: false },
      }).render()
      // The background fills the picture, so alpha is 255 everywhere.
      const data = new Uint8Array(width * height * 3)
      for (let i = 0, j = 0; i < pixels.length; i += 4) {
        data[j++] = pixels[i]!
        data[j++] = pixels[i + 1]!
        data[j++] = pixels[i + 2]!
      }
      return { width, height, data }
    },
  }
}

const loadPeers = async () => {
  try {
    const [{ createAvatar }, collection, { Resvg }] = await Promise.all([
      import('@dicebear/core'),
      import('@dicebear/collection'),
      import('@resvg/resvg-js'),
    ])
    return { createAvatar, collection, Resvg }
  } catch (cause) {
    throw new FxError(
      'missing-package',
      'The portraits teacher needs three optional packages: npm install @dicebear/core@9 @dicebear/collection@9 @resvg/resvg-js@2',
      { cause, details: { packages: ['@dicebear/core', '@dicebear/collection', '@resvg/resvg-js'] } },
    )
  }
}

const licenceOf = (meta: {
  title?: string
  creator?: string
  source?: string
  license?: { name: string; url: string }
}): Licence => ({
  id: SPDX[meta.license?.name ?? ''] ?? `LicenseRef-${meta.license?.name ?? 'unknown'}`,
  attribution: `Remix of "${meta.title}" by ${meta.creator} (${meta.source})`,
  ...(meta.license && { url: meta.license.url }),
})
