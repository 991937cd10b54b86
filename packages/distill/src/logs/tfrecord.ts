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

const begin = (wallTime: number, step: number): InstanceType<typeof Writer> => {
  const writer = Writer.create().uint32(event.wallTime).double(wallTime)
  return step === 0 ? writer : writer.uint32(event.step).int64(step)
}

/** The first event of every file. */
export const fileVersionEvent = (wallTime: number): Uint8Array =>
  begin(wallTime, 0).uint32(event.fileVersion).string('brain.Event:2').finish()

/** Tells readers to forget what earlier files say about this step and later ones. */
export const sessionStartEvent = (wallTime: number, step: number): Uint8Array =>
  begin(wallTime, step).uint32(event.sessionLog).fork().uint32(sessionLogStatus).int32(SESSION_START).ldelim().finish()

export const scalarsEvent = (wallTime: number, step: number, values: Record<string, number>): Uint8Array => {
  const writer = begin(wallTime, step).uint32(event.summary).fork()
  for (const [tag, number] of Object.entries(values)) {
    writer.uint32(summaryValue).fork().uint32(value.tag).string(tag).uint32(value.simpleValue).float(number).ldelim()
  }
  return writer.ldelim().finish()
}

/** A picture for the log: PNG bytes. */
export interface LoggedImage {
  width: number
  height: number
  png: Uint8Array
}

export const imagesEvent = (wallTime: number, step: number, images: Record<string, LoggedImage>): Uint8Array => {
  const writer = begin(wallTime, step).uint32(event.summary).fork()
  for (const [tag, { width, height, png }] of Object.entries(images)) {
    writer.uint32(summaryValue).fork().uint32(value.tag).string(tag).uint32(value.image).fork()
    writer.uint32(image.height).int32(height).uint32(image.width).int32(width).uint32(image.colourspace).int32(RGB)
    writer.uint32(image.encoded).bytes(png).ldelim().ldelim()
  }
  return writer.ldelim().finish()
}
