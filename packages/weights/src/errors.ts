import { FxError } from '@fx/core'

/** What an error names: the file, path or address that the bytes come from. */
interface Named {
  readonly name?: string
}

const nameOf = (source: Named): string => source.name ?? 'The checkpoint'

/** The file is not what it claims to be. */
export const corrupt = (source: Named, problem: string, details: Record<string, unknown> = {}): FxError =>
  new FxError('corrupt-file', `${nameOf(source)} is corrupt: ${problem}`, {
    details: { source: source.name, ...details },
  })

/** The file ends too early; `details.truncated` is true. */
export const truncated = (source: Named, problem: string, details: Record<string, unknown> = {}): FxError =>
  new FxError('corrupt-file', `${nameOf(source)} is truncated: ${problem}`, {
    details: { source: source.name, truncated: true, ...details },
  })

/** The file may be sound, but holds something that this package does not read. */
export const unsupported = (source: Named, problem: string, details: Record<string, unknown> = {}): FxError =>
  new FxError('unsupported', `${nameOf(source)} cannot be read: ${problem}`, {
    details: { source: source.name, ...details },
  })
