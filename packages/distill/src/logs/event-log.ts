import { type FileHandle, mkdir, open, readdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { writeFailed } from '@fx/core/node'
import {
  fileVersionEvent,
  imagesEvent,
  type LoggedImage,
  scalarsEvent,
  sessionStartEvent,
  tfRecord,
} from './tfrecord.js'

const now = (): number => Date.now() / 1000

/** Writes TensorBoard's event files. */
export interface EventLog {
  scalars(step: number, values: Record<string, number>): Promise<void>
  images(step: number, images: Record<string, LoggedImage>): Promise<void>
  close(): Promise<void>
}

/**
 * Opens a new event file in a folder. With `resumedAt`, readers forget what earlier files say about that step and later
 * ones (a `SessionLog.START` event), so that a run that was killed and resumed has each step once. Without, earlier event
 * files are removed.
 *
 * @throws FxError `write-failed`.
 */
export const openEventLog = async (folder: string, resumedAt?: number): Promise<EventLog> => {
  const file = await openFile(folder, resumedAt === undefined)
  const append = async (data: Uint8Array): Promise<void> => {
    try {
      await file.appendFile(tfRecord(data))
    } catch (error) {
      throw writeFailed(folder, error)
    }
  }
  try {
    await append(fileVersionEvent(now()))
    if (resumedAt !== undefined) await append(sessionStartEvent(now(), resumedAt))
  } catch (error) {
    await file.close()
    throw error
  }
  return {
    scalars: (step, values) => append(scalarsEvent(now(), step, values)),
    images: (step, images) => append(imagesEvent(now(), step, images)),
    close: () => file.close(),
  }
}

const openFile = async (folder: string, removeEarlier: boolean): Promise<FileHandle> => {
  try {
    await mkdir(folder, { recursive: true })
    let earlier = (await readdir(folder)).filter(name => name.startsWith('events.out.tfevents.'))
    if (removeEarlier) {
      await Promise.all(earlier.map(name => rm(join(folder, name))))
      earlier = []
    }
    // Readers take files in the order of their names, so a file must sort after the one before it.
    const latest = Math.max(0, ...earlier.map(name => Number(name.split('.')[3]) || 0))
    const seconds = Math.max(Math.floor(now()), latest + 1)
    return await open(join(folder, `events.out.tfevents.${seconds}.${hostname()}`), 'a')
  } catch (error) {
    throw writeFailed(folder, error)
  }
}
