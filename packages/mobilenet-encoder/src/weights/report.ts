/** What became of the weights of a checkpoint. */
export interface EncoderWeightsReport {
  /** The encoder's weights that have the checkpoint's values: `Conv1/kernel`. */
  readonly loaded: readonly string[]
  /** The encoder's weights that kept their values, with the reason; none unless `partial`. */
  readonly missing: readonly string[]
  /** The checkpoint's weights that the encoder has no place for, by the checkpoint's names: heads and classifiers. */
  readonly unused: readonly string[]
  /** What was changed on the way, one sentence each. */
  readonly adapted: readonly string[]
  /** What may be wrong with the match though every shape fits, one sentence each. */
  readonly notes: readonly string[]
  /** All of it as a text of a few lines. */
  readonly formatted: string
}

const shortened = (names: readonly string[], most = 6): string =>
  names.length <= most ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${names.length - most} more`

export const makeReport = (title: string, parts: Omit<EncoderWeightsReport, 'formatted'>): EncoderWeightsReport => {
  const { loaded, missing, unused, adapted, notes } = parts
  const lines = [
    `${title}: ${loaded.length} weights loaded`,
    ...(missing.length > 0 ? [`${missing.length} kept: ${shortened(missing)}`] : []),
    ...(unused.length > 0 ? [`${unused.length} unused: ${shortened(unused)}`] : []),
    ...adapted,
    ...notes.map(note => `Note: ${note}`),
  ]
  return { ...parts, formatted: lines.join('\n') }
}
