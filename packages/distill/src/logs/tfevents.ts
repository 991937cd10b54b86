import { type FileHandle, mkdir, open, readdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { writeFailed } from '@fx/core/node'
import crc32c from 'crc-32/crc32c.js'
import protobuf from 'protobufjs/minimal.js'

const { Writer } = protobuf

/**
 * The checksum of TFRecord framing: CRC-32C, rotated and offset so that a checksum of checksums stays useful.
 * Source: tensorflow/core/lib/hash/crc32c.h.
 */
const maskedCrc = (bytes: Uint8Array): number => {
  const crc = crc32c.buf(bytes, 0) >>> 0
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

/** One TFRecord: length, its checksum, data, its checksum. Source: tensorflow/core/lib/io/record_writer.h. */
export const tfRecord = (data: Uint8Array): Uint8Array => {
  const record = new Uint8Array(16 + data.length)
  const view = new DataView(record.buffer)
  view.setBigUint64(0, BigInt(data.length), true)
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true)
  record.set(data, 12)
  view.setUint32(12 + data.length, maskedCrc(data), true)
  return record
}

// Field numbers of tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto, as (number << 3 | type).
const event = { wallTime: 9, step: 16, fileVersion: 26, summary: 42, sessionLog: 58 }
const summaryValue = 10
const value = { tag: 10, simpleValue: 21, image: 34 }
const image = { height: 8, width: 16, colourspace: 24, encoded: 34 }
const sessionLogStatus = 8
const SESSION_START = 1
const RGB = 3

/** A picture for the log: PNG bytes. */
export interface LoggedImage {
  width: number
  height: number
  png: Uint8Array
}

/** Writes TensorBoard's event files. */
export interface EventLog {
  scalars(step: number, values: Record<string, number>): Promise<void>
  images(step: number, images: Record<string, LoggedImage>): Promise<void>
  close(): Promise<void>
}

const begin = (step: number): InstanceType<typeof Writer> =>
  Writer.create()
    .uint32(event.wallTime)
    .double(Date.now() / 1000)
    .uint32(event.step)
    .int64(step)

/**
 * Opens a new event file in a folder. With `resumedAt`, readers forget what earlier files say about that step and later
 * ones (a `SessionLog.START` event), so that a run that was killed and resumed has each step once. Without, earlier event
 * files are removed.
 *
 * @throws FxError `write-failed`.
 */
export const openEventLog = async (folder: string, resumedAt?: number): Promise<EventLog> => {
  const isEvents = (name: string): boolean => name.startsWith('events.out.tfevents.')
  let file: FileHandle
  let path = folder
  try {
    await mkdir(folder, { recursive: true })
    let earlier = (await readdir(folder)).filter(isEvents)
    if (resumedAt === undefined) {
      await Promise.all(earlier.map(name => rm(join(folder, name))))
      earlier = []
    }
    // Readers take files in the order of their names, so a file must sort after the one before it.
    const latest = Math.max(0, ...earlier.map(name => Number(name.split('.')[3]) || 0))
    const seconds = Math.max(Math.floor(Date.now() / 1000), latest + 1)
    path = join(folder, `events.out.tfevents.${seconds}.${hostname()}`)
    file = await open(path, 'a')
  } catch (error) {
    throw writeFailed(path, error)
  }
  const append = async (data: Uint8Array): Promise<void> => {
    try {
      await file.appendFile(tfRecord(data))
    } catch (error) {
      throw writeFailed(path, error)
    }
  }
  await append(begin(0).uint32(event.fileVersion).string('brain.Event:2').finish())
  if (resumedAt !== undefined) {
    await append(
      begin(resumedAt).uint32(event.sessionLog).fork().uint32(sessionLogStatus).int32(SESSION_START).ldelim().finish(),
    )
  }
  return {
    scalars: (step, values) => {
      const writer = begin(step).uint32(event.summary).fork()
      for (const [tag, number] of Object.entries(values)) {
        writer
          .uint32(summaryValue)
          .fork()
          .uint32(value.tag)
          .string(tag)
          .uint32(value.simpleValue)
          .float(number)
          .ldelim()
      }
      return append(writer.ldelim().finish())
    },
    images: (step, images) => {
      const writer = begin(step).uint32(event.summary).fork()
      for (const [tag, { width, height, png }] of Object.entries(images)) {
        writer.uint32(summaryValue).fork().uint32(value.tag).string(tag).uint32(value.image).fork()
        writer.uint32(image.height).int32(height).uint32(image.width).int32(width).uint32(image.colourspace).int32(RGB)
        writer.uint32(image.encoded).bytes(png).ldelim().ldelim()
      }
      return append(writer.ldelim().finish())
    },
    close: () => file.close(),
  }
}
