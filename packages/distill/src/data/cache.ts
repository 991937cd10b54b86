import { join } from 'node:path'
import type { ResolvedConfig } from '../config/types.js'
import { openBackend, withFastTeacher } from '../run/backend.js'
import { announced, type OnProgress } from '../run/progress.js'
import { checkTeacher, makeShards, shardFolder, skippedInWords } from './collect.js'

/**
 * Makes a config's pairs and keeps them as WebDataset shards, where its next run finds them. Stopped and called again, it
 * makes only what is missing.
 *
 * @returns the folder of the shards.
 * @throws FxError what the teacher throws, `aborted`, `write-failed`, `resume-mismatch` when the folder holds other pairs.
 */
export const cachePairs = async (
  config: ResolvedConfig,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: OnProgress } = {},
): Promise<string> => {
  const folder = shardFolder(config) ?? join(config.out, 'pairs')
  await openBackend(config)
  const teacher = await config.teacher()
  try {
    checkTeacher(teacher, config)
    return await announced(onProgress, 'pairs', async () => {
      const onPair = (done: number, total: number): void =>
        onProgress?.({ type: 'progress', phase: 'pairs', done, total })
      const made = await withFastTeacher(() => makeShards(folder, { config, teacher, signal, onPair }))
      const { pairCount, skipped = [] } = made
      return { value: folder, message: `${pairCount} by '${teacher.id}', in ${folder}${skippedInWords(skipped)}` }
    })
  } finally {
    await teacher.dispose?.()
  }
}
