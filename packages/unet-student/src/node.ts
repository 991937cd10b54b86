import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { FxError, sha256Hex } from '@fx/core'
import { readJson, writeFailed, writeFileAtomic } from '@fx/core/node'
import * as tf from '@tensorflow/tfjs-core'
import { checkRecord, type StudentRecord } from './record.js'
import { type Student, studentFromSpec } from './student.js'

const modelFile = 'model.json'
const weightsFile = 'weights.bin'
const recordFile = 'student.json'

/**
 * Writes a student to a folder (made when missing) as a standard tfjs layers-model, `model.json` and `weights.bin`, which
 * `tf.loadLayersModel` reads, and beside it `student.json` with the spec, its hash and the checksums. Other files there
 * are left alone. All is on the disk before the first of an older student's files is replaced.
 *
 * @throws FxError `write-failed`; an older student in the folder is then unchanged.
 */
export const saveStudent = async (student: Student, folder: string): Promise<void> => {
  let artifacts: tf.io.ModelArtifacts | undefined
  await student.model.save(
    tf.io.withSaveHandler(async made => {
      artifacts = made
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } }
    }),
  )
  const { weightData, weightSpecs, ...topology } = artifacts!
  const weights = new Uint8Array(tf.io.CompositeArrayBuffer.join(weightData!))
  const modelJson = JSON.stringify({
    ...topology,
    // Keras 3 finds a class only by its module, which tfjs does not write and does not mind.
    modelTopology: { ...topology.modelTopology, module: 'keras.models' },
    weightsManifest: [{ paths: [weightsFile], weights: weightSpecs }],
  })
  const record: StudentRecord = {
    formatVersion: 1,
    spec: student.spec,
    specHash: student.specHash,
    files: [
      { path: modelFile, size: Buffer.byteLength(modelJson), sha256: sha256Hex(modelJson) },
      { path: weightsFile, size: weights.byteLength, sha256: sha256Hex(weights) },
    ],
  }

  const staging = join(folder, `.student.${randomBytes(6).toString('hex')}.tmp`)
  try {
    await mkdir(staging, { recursive: true })
    await writeFileAtomic(join(staging, weightsFile), weights)
    await writeFileAtomic(join(staging, modelFile), modelJson)
    await writeFileAtomic(join(staging, recordFile), `${JSON.stringify(record, null, 2)}\n`)
    for (const file of [weightsFile, modelFile, recordFile]) await rename(join(staging, file), join(folder, file))
  } catch (error) {
    throw writeFailed(folder, error)
  } finally {
    await rm(staging, { recursive: true, force: true }).catch(() => {})
  }
}

const readChecked = async (folder: string, { path, size, sha256 }: StudentRecord['files'][number]): Promise<Buffer> => {
  const full = join(folder, path)
  let bytes: Buffer
  try {
    bytes = await readFile(full)
  } catch (error) {
    throw new FxError('not-found', `Cannot read ${full}: ${(error as Error).message}`, { cause: error })
  }
  if (bytes.byteLength !== size || sha256Hex(bytes) !== sha256) {
    throw new FxError(
      'checksum-mismatch',
      `${full} is not the file that ${recordFile} describes (${bytes.byteLength} bytes, expected ${size}): it is damaged or of another student`,
      { details: { path: full, size: bytes.byteLength, expected: { size, sha256 } } },
    )
  }
  return bytes
}

/**
 * Reads a student that `saveStudent` wrote. The caller owns it and frees it by `dispose()`.
 *
 * @throws FxError `not-found` for a missing file, `corrupt-file` for one that is not what it claims, `checksum-mismatch`
 * for a changed one, `newer-version` when a newer release wrote it; nothing is allocated then.
 */
export const loadStudent = async (folder: string): Promise<Student> => {
  const record = checkRecord(await readJson(join(folder, recordFile)), join(folder, recordFile))
  const [modelBytes, weights] = await Promise.all(record.files.map(file => readChecked(folder, file)))
  const student = studentFromSpec(record.spec)
  let values: tf.NamedTensorMap = {}
  try {
    const { weightsManifest } = JSON.parse(modelBytes!.toString('utf8')) as tf.io.ModelJSON
    const specs = weightsManifest.flatMap(group => group.weights)
    values = tf.io.decodeWeights(new Uint8Array(weights!).buffer, specs)
    student.model.loadWeights(values)
    return student
  } catch (error) {
    student.dispose()
    throw new FxError('corrupt-file', `The weights in ${folder} do not fit its spec: ${(error as Error).message}`, {
      cause: error,
    })
  } finally {
    tf.dispose(values)
  }
}
