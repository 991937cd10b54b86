import { type Checkpoint, openCheckpoint } from '@fx/weights'
import { openLocation } from '../../network/open.js'
import { type ImagenStageWeights, readImagenStage } from '../stage-file.js'
import { readDiffusersStage } from './diffusers-folder.js'

/**
 * Where a stage comes from: a file that `encodeImagenStage` made (its path, address, bytes, or it opened), a folder in
 * diffusers' layout (a path or address that does not end in `.safetensors`), or a stage in memory.
 */
export type StageSource = string | URL | Uint8Array | Checkpoint | ImagenStageWeights

/** @throws FxError those of `openCheckpoint`, `readImagenStage` and `readDiffusersStage`. */
export const openStageSource = async (source: StageSource): Promise<ImagenStageWeights> => {
  if (typeof source === 'string' || source instanceof URL) {
    const file = /\.safetensors$/i.test(source instanceof URL ? source.pathname : source.replace(/[?#].*$/, ''))
    if (!file) return readDiffusersStage(source)
  } else if ('weights' in source) return source
  else if ('tensors' in source) return readImagenStage(source)
  const opened = await (source instanceof Uint8Array ? openCheckpoint(source) : openLocation(source as string | URL))
  try {
    return await readImagenStage(opened)
  } finally {
    await opened.close()
  }
}
