import { writeFileAtomic } from '@fx/core/node'
import { encodeSafetensors, type WritableTensor } from '../safetensors/write.js'

/**
 * Writes a safetensors file, whole or not at all; equal tensors and metadata give equal bytes (see `encodeSafetensors`).
 *
 * @throws FxError `write-failed`, and those of `encodeSafetensors`.
 */
export const writeSafetensors = async (
  path: string,
  tensors: Iterable<readonly [string, WritableTensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> => writeFileAtomic(path, encodeSafetensors(tensors, metadata))
