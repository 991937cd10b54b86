import { FxError, integerIn, recordOf } from '@fx/core'
import { parseStudentSpec, type StudentSpec, studentSpecHash } from './spec.js'

/** `student.json`: what a saved student is, and the checksums of the files beside it. */
export interface StudentRecord {
  formatVersion: 1
  spec: StudentSpec
  specHash: string
  /** `model.json`, then `weights.bin`. */
  files: { path: string; size: number; sha256: string }[]
}

const paths = ['model.json', 'weights.bin']

/** Checks the contents of a `student.json`. */
export const checkRecord = (value: unknown, path: string): StudentRecord => {
  const version = (value as { formatVersion?: unknown } | null)?.formatVersion
  if (typeof version === 'number' && version > 1) {
    throw new FxError(
      'newer-version',
      `${path} has format version ${version}; this release reads up to 1. Update @fx/unet-student.`,
      { details: { version, supported: 1 } },
    )
  }
  try {
    const record = recordOf('student.json', value, ['formatVersion', 'spec', 'specHash', 'files'])
    integerIn('formatVersion', version, 1, 1)
    const spec = parseStudentSpec(record.spec)
    if (record.specHash !== studentSpecHash(spec)) throw new Error('the hash is not that of the spec')
    const files = record.files as unknown[]
    const fits = (file: unknown, i: number): boolean => {
      const { path: name, size, sha256 } = (file ?? {}) as Record<string, unknown>
      return name === paths[i] && Number.isInteger(size) && typeof sha256 === 'string'
    }
    if (!Array.isArray(files) || files.length !== paths.length || !files.every(fits)) {
      throw new Error('files must describe model.json and weights.bin')
    }
    return { formatVersion: 1, spec, specHash: record.specHash as string, files: files as StudentRecord['files'] }
  } catch (error) {
    if (FxError.isInstance(error, 'newer-version')) throw error
    throw new FxError('corrupt-file', `${path} is not a saved student: ${(error as Error).message}`, { cause: error })
  }
}
