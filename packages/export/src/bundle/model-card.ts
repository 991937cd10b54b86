import type { EffectBundleManifest } from '@fx/core'
import type { FrozenParameters } from './frozen.js'

const list = (values: Record<string, number>): string =>
  Object.entries(values)
    .map(([name, value]) => `| ${name} | ${Number.isInteger(value) ? value : Number(value.toPrecision(4))} |`)
    .join('\n')

/** What the bundle's models are. */
const files = ({ model, output, tflite }: Omit<EffectBundleManifest, 'files'>): string =>
  [
    'The model in `model/` is a tfjs GraphModel.',
    ...(model.smaller ?? []).map(
      ({ width, height, path }) => `\`${path}\` is the same student for pictures of ${width}x${height}.`,
    ),
    ...(tflite === undefined ? [] : [`\`${tflite.path}\` is it for TensorFlow Lite.`]),
    ...(output.channels === 4 ? ['Its fourth channel says how much of a pixel is painted over.'] : []),
  ].join(' ')

/** The README of a bundle: what a person should know before shipping it. Markdown. */
export const modelCard = (manifest: Omit<EffectBundleManifest, 'files'>, frozen: FrozenParameters = {}): string => {
  const { card, effect, input } = manifest
  const parameters = [
    ...Object.entries(effect.parameters).map(
      ([name, { min, max, default: value }]) => `- \`${name}\`: ${min} to ${max}, ${value} unless set`,
    ),
    ...Object.entries(frozen).map(([name, value]) => `- \`${name}\`: fixed at ${value}`),
  ]
  return `# ${card.name}

${card.description || `The effect \`${effect.id}\`: ${effect.prompt}.`}

| | |
|---|---|
| Effect | \`${effect.id}\` |
| Prompt | ${effect.prompt} |
| Input | ${input.width}x${input.height} RGB, ${manifest.crop} |
| Student | \`${manifest.studentSpecHash.slice(0, 12)}\` |
| Licence | ${card.licence} |
| Teacher | ${card.provenance.teacher} ${card.provenance.teacherVersion} |
| Licences of the training images | ${card.provenance.licences.join(', ') || 'none stated'} |
${parameters.length === 0 ? '' : `\n## Parameters\n\n${parameters.join('\n')}\n`}${
  Object.keys(card.metrics).length === 0
    ? ''
    : `\n## Measured on held-out pairs\n\n| Figure | Value |\n|---|---|\n${list(card.metrics)}\n`
}
## Use

\`\`\`ts
import { loadEffect } from '@fx/runtime-web'

const effect = await loadEffect('/this-folder/')
await effect.draw(image, canvas)
\`\`\`

${files(manifest)} \`probe/\` holds a picture and its answer, by which a runtime checks on the device that it
computes correctly.

## Limits

The student has learned from synthetic pairs of one teacher: on pictures unlike those it does little, or the wrong thing.
It changes appearance only; it neither recognises nor identifies people.
`
}
