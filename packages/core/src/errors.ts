/** Every way a call can fail, by name. Codes are stable across releases; messages are not. */
export type FxErrorCode =
  /** An argument or option has a value that is not allowed. */
  | 'invalid-argument'
  /** The effect id is not one that this teacher knows. */
  | 'unknown-effect'
  /** A tensor or image has the wrong shape or size. */
  | 'shape-mismatch'
  /** A file is not what it claims to be, is truncated, or fails its own consistency checks. */
  | 'corrupt-file'
  /** A file's hash differs from the one recorded for it. */
  | 'checksum-mismatch'
  /** A file was written by a newer version of the format than this code reads. */
  | 'newer-version'
  /** A file, folder or item does not exist. */
  | 'not-found'
  /** The disk refused a write (full, read-only, no permission). */
  | 'write-failed'
  /** An optional package is needed for this call and is not installed. */
  | 'missing-package'
  /** No requested backend or engine works on this device. */
  | 'backend-unavailable'
  /** The caller's AbortSignal fired. */
  | 'aborted'
  /** A resumed run does not match the one that wrote the checkpoint. */
  | 'resume-mismatch'
  /** A training value became NaN or infinite. */
  | 'not-finite'
  /** A model holds a layer or option that this code cannot handle. */
  | 'unsupported'
  /** A remote or local service answered with an error. */
  | 'service-failed'

export interface FxErrorOptions {
  /** The error underneath, kept for debugging. */
  cause?: unknown
  /** Machine-readable facts of the failure (the bad value, the allowed ones, the file). */
  details?: Readonly<Record<string, unknown>>
}

const marker = Symbol.for('@fx/core/FxError')

/**
 * The one error type that `@fx` packages throw on purpose. The marker survives duplicate installs of this package,
 * so test with `FxError.isInstance(error)` rather than `instanceof`.
 */
export class FxError extends Error {
  override readonly name = 'FxError'
  readonly code: FxErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: FxErrorCode, message: string, options: FxErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
    Object.defineProperty(this, marker, { value: true })
  }

  /** True for any FxError, from whichever copy of this package; with `code`, only for that code. */
  static isInstance(value: unknown, code?: FxErrorCode): value is FxError {
    return (
      typeof value === 'object' &&
      value !== null &&
      (value as Record<symbol, unknown>)[marker] === true &&
      (code === undefined || (value as FxError).code === code)
    )
  }
}

/** `'a', 'b' or 'c'`: the allowed values at the end of an error message. */
export const listed = (values: readonly (string | number)[]): string => {
  const quoted = values.map(value => (typeof value === 'string' ? `'${value}'` : String(value)))
  return quoted.length < 2 ? (quoted[0] ?? 'none') : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`
}
